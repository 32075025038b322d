//! Single records by offset, all over a log: one a call, and 256 a call as Node gathers them, beside a plain file
//! whose records all have one size, so that it needs no index.

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
use tidelog_bench::{Fixture, FramedFile, LARGE, SMALL, Shape};

const BATCHES: usize = 1000;

fn point_reads(criterion: &mut Criterion) {
    for shape in [SMALL, LARGE] {
        let mut group = criterion.benchmark_group(format!("get {}", shape.name));
        group
            .sample_size(20)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(3));
        let fixture = Fixture::filled(shape, BATCHES);
        for together in [1, 256] {
            gets(&mut group, shape, &fixture, together);
        }
        plain_file(&mut group, shape);
        group.finish();
    }
}

fn gets(
    group: &mut BenchmarkGroup<'_, WallTime>,
    shape: Shape,
    fixture: &Fixture,
    together: usize,
) {
    let mut next = numbers(shape);
    let mut buffer = RecordBuffer::default();
    group.throughput(Throughput::Elements(together as u64));
    group.bench_function(format!("tidelog, {together} a call"), |bencher| {
        let mut wanted = Vec::with_capacity(together);
        bencher.iter(|| {
            wanted.clear();
            wanted.extend((0..together).map(|_| (0, next())));
            fixture.topic.get(&wanted, &mut buffer).expect("a read");
            assert_eq!(buffer.count as usize, together);
            assert!(buffer.bytes.len() >= together * shape.size);
        });
    });
}

fn plain_file(group: &mut BenchmarkGroup<'_, WallTime>, shape: Shape) {
    let mut file = FramedFile::empty();
    for number in 0..BATCHES {
        file.append(&shape.payloads(number), shape.size);
    }
    let mut next = numbers(shape);
    let mut record = vec![0; shape.size];
    group.throughput(Throughput::Elements(1));
    group.bench_function("plain file, pread", |bencher| {
        bencher.iter(|| file.get(next(), &mut record));
    });
}

/// The same pseudo-random record numbers for everybody.
fn numbers(shape: Shape) -> impl FnMut() -> u64 {
    let count = (BATCHES * shape.batch) as u64;
    let mut state = 0x5eed_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % count
    }
}

criterion_group!(benches, point_reads);
criterion_main!(benches);
