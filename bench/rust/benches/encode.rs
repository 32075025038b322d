//! Encoding and decoding record batches, without any disk: the price of the format itself.

#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![expect(
    clippy::expect_used,
    reason = "a benchmark that can't go on must stop, and say why"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidelog::format::batch::Batch;
use tidelog::format::builder::BatchBuilder;
use tidelog::format::packed::PackedRecords;
use tidelog::{Compression, TimestampType};
use tidelog_bench::{LARGE, SMALL};

/// Records as they come from JavaScript.
fn encode_packed(builder: &mut BatchBuilder, table: &[u8], bytes: &[u8]) -> Vec<u8> {
    let packed = PackedRecords::new(table, bytes).expect("whole rows");
    for record in packed.iter() {
        let record = record.expect("a record");
        let time = record.timestamp.unwrap_or_default();
        builder
            .append(time, record.key, record.value, record.headers())
            .expect("a record within the limits");
    }
    builder.finish().expect("a batch within the limits")
}

fn encode(criterion: &mut Criterion) {
    for shape in [SMALL, LARGE] {
        let mut group = criterion.benchmark_group(format!("batch of {}", shape.name));
        group.throughput(Throughput::Elements(shape.batch as u64));
        let payloads = shape.payloads(0);
        for compression in [Compression::None, Compression::Lz4] {
            let mut builder = BatchBuilder::new(compression, TimestampType::CreateTime);
            group.bench_function(format!("encode, {}", compression.name()), |bencher| {
                bencher.iter(|| shape.encode(&mut builder, black_box(&payloads)));
            });
        }
        let table = shape.packed_table();
        group.bench_function("encode packed records", |bencher| {
            let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
            bencher.iter(|| encode_packed(&mut builder, black_box(&table), black_box(&payloads)));
        });
        let encoded = shape.encoded(0);
        group.bench_function("check the CRC", |bencher| {
            bencher.iter(|| {
                Batch::check(black_box(&encoded))
                    .expect("a batch")
                    .header()
                    .size()
            });
        });
        group.bench_function("check the CRC and decode", |bencher| {
            let mut scratch = Vec::new();
            bencher.iter(|| {
                let batch = Batch::check(black_box(&encoded)).expect("a batch");
                let records = batch.records(&mut scratch).expect("records");
                let bytes: usize = records
                    .map(|record| record.expect("a record").value.map_or(0, <[u8]>::len))
                    .sum();
                assert_eq!(bytes, payloads.len());
            });
        });
        group.finish();
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
