//! What was measured of one contestant in one round, and how it is handed to whoever makes tables of it.

use std::time::{Duration, Instant};

/// Names a row: rows of one kind do the same thing, and are compared with each other.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub contestant: &'static str,
    pub mode: String,
    pub kind: String,
    /// Bytes that one operation makes durable, reads or recovers; 0 where their rate means nothing.
    pub bytes: u64,
    /// Bytes that opening a store read and checked.
    pub checked: Option<u64>,
    /// The most memory in bytes that the process had.
    pub peak: Option<u64>,
}

/// A number of bytes in words, as tables call it.
pub fn size_name(bytes: u64) -> String {
    match bytes {
        0 => "nothing".to_owned(),
        _ if bytes >= 1 << 30 => format!("{} GiB", bytes >> 30),
        _ if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
        _ => format!("{} KiB", bytes >> 10),
    }
}

/// Says what was not measured, and why: a table must not lack rows in silence.
pub fn left_out(what: &str) {
    println!("{{\"leftOut\":{what:?}}}");
}

/// How long each operation took.
#[derive(Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Takes the time of one operation.
    pub fn time<T>(&mut self, operation: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = operation();
        self.0.push(start.elapsed());
        result
    }

    /// Adds operations that overlapped: each counts with its share.
    pub fn add_together(&mut self, elapsed: Duration, count: usize) {
        let share = elapsed / count.max(1) as u32;
        self.0.extend(std::iter::repeat_n(share, count));
    }

    /// Prints them as one line of JSON.
    pub fn report(mut self, round: usize, row: &Row) {
        self.0.sort_unstable();
        let total: Duration = self.0.iter().sum();
        let told = |name: &str, bytes: Option<u64>| {
            bytes.map_or_else(String::new, |bytes| format!(",\"{name}\":{bytes}"))
        };
        let (checked, peak) = (told("checked", row.checked), told("peak", row.peak));
        // Names are ours and plain ASCII, which Rust and JSON quote alike.
        println!(
            "{{\"round\":{round},\"contestant\":{:?},\"mode\":{:?},\"kind\":{:?},\"bytes\":{},\
             \"perSecond\":{},\"p50\":{},\"p99\":{},\"iterations\":{}{checked}{peak}}}",
            row.contestant,
            row.mode,
            row.kind,
            row.bytes,
            self.0.len() as f64 / total.as_secs_f64().max(f64::MIN_POSITIVE),
            self.quantile(0.5),
            self.quantile(0.99),
            self.0.len(),
        );
    }

    /// In microseconds, of the sorted times.
    fn quantile(&self, part: f64) -> f64 {
        let place = ((self.0.len() as f64 * part).ceil() as usize).max(1) - 1;
        self.0
            .get(place)
            .map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }
}
