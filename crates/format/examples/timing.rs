//! How long encoding and decoding take: `cargo run --release -p tidelog-format --example timing`. Prints the
//! fastest of many short rounds, which is the machine undisturbed, for records of 100 bytes in batches of
//! 110 KiB; a line for each compression.

#![allow(clippy::print_stdout)] // Printing is what it is for.

use std::hint::black_box;
use std::time::Instant;

use tidelog_format::{Batch, BatchBuilder, Compression, FormatError, TimestampType};

const ROUNDS: usize = 1000;
const RECORDS: usize = 1100;

fn main() -> Result<(), FormatError> {
    let records: Vec<([u8; 8], [u8; 84])> = (0..RECORDS as u64).map(record).collect();
    println!(
        "{RECORDS} records of 8 bytes key and 84 bytes value a batch; ns a record, fastest of {ROUNDS} rounds"
    );
    println!(
        "{:8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "append", "finish", "check", "parse", "bytes"
    );
    for compression in Compression::ALL {
        let mut builder = BatchBuilder::new(compression, TimestampType::CreateTime);
        let mut scratch = Vec::new();
        let mut times: [Vec<f64>; 4] = Default::default();
        let mut size = 0;
        let repeat = if compression == Compression::None {
            10
        } else {
            1
        };
        for _ in 0..ROUNDS {
            let mut spent = [0.0; 4];
            for _ in 0..repeat {
                let begin = Instant::now();
                for (index, (key, value)) in records.iter().enumerate() {
                    let time = 1_700_000_000_000 + index as i64 / 8;
                    builder.append(
                        time,
                        black_box(Some(key)),
                        black_box(Some(value)),
                        std::iter::empty(),
                    )?;
                }
                let appended = Instant::now();
                let batch = builder.finish()?;
                let finished = Instant::now();
                let checked = Batch::check(black_box(&batch))?;
                let checked_at = Instant::now();
                for record in checked.records(&mut scratch)? {
                    black_box(record?);
                }
                let parsed = Instant::now();
                size = batch.len();
                let steps = [begin, appended, finished, checked_at, parsed];
                for (spent, step) in spent.iter_mut().zip(steps.windows(2)) {
                    *spent += (step[1] - step[0]).as_nanos() as f64 / (RECORDS * repeat) as f64;
                }
            }
            for (times, spent) in times.iter_mut().zip(spent) {
                times.push(spent);
            }
        }
        let [append, finish, check, parse] = times.map(fastest);
        println!("{compression:8} {append:8.1} {finish:8.1} {check:8.1} {parse:8.1} {size:8}");
    }
    Ok(())
}

/// Half of the value is text that compresses, half is not.
fn record(seed: u64) -> ([u8; 8], [u8; 84]) {
    let mut value = *b"{\"type\":\"order paid\",\"customer\":\"0123456789\",\"ref\":\"........................\"}      ";
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for byte in &mut value[42..] {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = state as u8;
    }
    (seed.to_be_bytes(), value)
}

fn fastest(times: Vec<f64>) -> f64 {
    times.into_iter().fold(f64::INFINITY, f64::min)
}
