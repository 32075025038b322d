//! Reading everything in order, page cache warm, CRC checked, beside a plain file that checks nothing. One iteration
//! is one pass over all records, whose bytes are counted and whose first and last are touched.

#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![expect(
    clippy::expect_used,
    reason = "a benchmark that can't go on must stop, and say why"
)]

use std::time::Duration;

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use tidelog::RecordBuffer;
use tidelog::format::batch::Batch;
use tidelog_bench::{Fixture, FramedFile, LARGE, SMALL, Shape};

const BATCHES: usize = 400;
const READ_BYTES: usize = 1 << 20;

fn replay(criterion: &mut Criterion) {
    for shape in [SMALL, LARGE] {
        let count = (BATCHES * shape.batch) as u64;
        let mut group = criterion.benchmark_group(format!("replay {}", shape.name));
        group.throughput(Throughput::Elements(count));
        group
            .sample_size(20)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(3));
        let fixture = Fixture::filled(shape, BATCHES);
        rows(&mut group, shape, &fixture);
        batches(&mut group, shape, &fixture);
        plain_file(&mut group, shape);
        group.finish();
    }
}

/// What Node does: positions of records in one buffer.
fn rows(group: &mut BenchmarkGroup<'_, WallTime>, shape: Shape, fixture: &Fixture) {
    let end = fixture.partition.high_watermark();
    let mut buffer = RecordBuffer::default();
    group.bench_function("tidelog, rows", |bencher| {
        bencher.iter(|| {
            let mut seen = 0;
            let mut offset = 0;
            while offset < end {
                fixture
                    .partition
                    .read_records(offset, READ_BYTES, &mut buffer)
                    .expect("a read");
                seen += u64::from(buffer.count);
                offset = buffer.next;
            }
            assert_eq!(seen, (BATCHES * shape.batch) as u64);
        });
    });
}

/// Whole batches, then decoded in place: what a Rust program does.
fn batches(group: &mut BenchmarkGroup<'_, WallTime>, shape: Shape, fixture: &Fixture) {
    let end = fixture.partition.high_watermark();
    let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
    group.bench_function("tidelog, batches decoded", |bencher| {
        bencher.iter(|| {
            let (mut offset, mut tally) = (0, Tally::default());
            while offset < end {
                offset = fixture
                    .partition
                    .read(offset, READ_BYTES, &mut bytes)
                    .expect("a read")
                    .next;
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    // The read has checked it; a user of the raw bytes checks again.
                    let batch = Batch::check(rest).expect("a batch");
                    for record in batch.records(&mut scratch).expect("records") {
                        tally.add(record.expect("a record").value.unwrap_or_default());
                    }
                    rest = rest.get(batch.header().size()..).unwrap_or_default();
                }
            }
            tally.check(shape);
        });
    });
}

fn plain_file(group: &mut BenchmarkGroup<'_, WallTime>, shape: Shape) {
    let mut file = FramedFile::empty();
    for number in 0..BATCHES {
        file.append(&shape.payloads(number), shape.size);
    }
    let mut chunk = Vec::new();
    group.bench_function("plain file, pread", |bencher| {
        bencher.iter(|| {
            let mut tally = Tally::default();
            file.replay(&mut chunk, |record| tally.add(record));
            tally.check(shape);
        });
    });
}

/// Touches the first and last byte of each record and counts all.
#[derive(Default)]
struct Tally {
    records: usize,
    bytes: usize,
    touched: u64,
}

impl Tally {
    fn add(&mut self, record: &[u8]) {
        self.records += 1;
        self.bytes += record.len();
        let ends = record
            .first()
            .zip(record.last())
            .map_or(0, |(first, last)| {
                u64::from(*first) * 256 + u64::from(*last)
            });
        self.touched = self.touched.wrapping_mul(31).wrapping_add(ends);
    }

    fn check(&self, shape: Shape) {
        assert_eq!(
            (self.records, self.bytes),
            (BATCHES * shape.batch, BATCHES * shape.batch * shape.size)
        );
        std::hint::black_box(self.touched);
    }
}

criterion_group!(benches, replay);
criterion_main!(benches);
