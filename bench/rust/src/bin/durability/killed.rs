//! A store whose process was really killed: this program starts itself as another process, which appends until so many
//! bytes are acknowledged and waits, and ends it with SIGKILL. Nothing is closed, no checkpoint is written on the way out.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;
use tidelog::{Durability, OpenOptions, Store, TopicConfig};
use tidelog_bench::Shape;

/// What the other process is started with.
pub const COMMAND: &str = "fill-and-wait";
/// The topic of the stores.
pub const TOPIC: &str = "bench";
/// Batches under way at once in the other process.
const WINDOW: usize = 16;
const SIGKILL: i32 = 9;

/// What a killed process left behind; goes with its folder.
pub struct Killed {
    pub folder: TempDir,
    /// Records that were acknowledged.
    pub records: u64,
    /// Bytes of their batches.
    pub bytes: u64,
}

/// Has another process append at least so many bytes to a fresh store, and kills it.
pub fn killed(parent: &Path, durability: Durability, shape: Shape, bytes: u64) -> Killed {
    let folder = tempfile::tempdir_in(parent).expect("a temporary folder");
    let program = std::env::current_exe().expect("the path of this program");
    let mut child = Command::new(program)
        .arg(COMMAND)
        .arg(folder.path())
        .arg(durability.name())
        .args([shape.size.to_string(), shape.batch.to_string()])
        .arg(bytes.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("another process");
    let mut line = String::new();
    let output = child.stdout.take().expect("its output");
    BufReader::new(output)
        .read_line(&mut line)
        .expect("what it has appended");
    child.kill().expect("a signal");
    let status = child.wait().expect("its end");
    assert_eq!(status.signal(), Some(SIGKILL), "it ended by itself");
    let (records, bytes) = line.trim().split_once(' ').expect("two numbers");
    Killed {
        folder,
        records: records.parse().expect("a number of records"),
        bytes: bytes.parse().expect("a number of bytes"),
    }
}

/// The other process: `FOLDER DURABILITY RECORD-SIZE RECORDS-A-BATCH BYTES`.
pub fn fill_and_wait(arguments: &[String]) -> ! {
    let [folder, durability, size, batch, bytes] = arguments else {
        panic!("{COMMAND} is for this program itself");
    };
    let number = |text: &String| text.parse::<usize>().expect("a number");
    let shape = Shape {
        name: "record",
        size: number(size),
        batch: number(batch),
    };
    let options = OpenOptions {
        durability: Durability::from_name(durability).expect("a durability"),
        // Never by time, so that the bytes alone decide what a recovery has to do.
        checkpoint_interval: Duration::from_secs(24 * 3600),
        ..OpenOptions::default()
    };
    let store = Store::open(folder, options).expect("an open store");
    let topic = store
        .create_topic(TOPIC, TopicConfig::default())
        .expect("a topic");
    let partition = topic.partition(0).expect("a partition");
    let batches: Vec<Vec<u8>> = (0..17).map(|number| shape.encoded(number)).collect();
    let (done, outcomes) = mpsc::channel();
    let (mut appended, mut under_way, mut written) = (0, 0, 0);
    while written < number(bytes) || under_way > 0 {
        if written < number(bytes) && under_way < WINDOW {
            let done = done.clone();
            let batch = batches[appended % batches.len()].clone();
            written += batch.len();
            appended += 1;
            under_way += 1;
            partition.append_with(batch, move |outcome| {
                let _ = done.send(outcome);
            });
        } else {
            outcomes
                .recv()
                .expect("an outcome")
                .expect("an acknowledged append");
            under_way -= 1;
        }
    }
    println!("{} {written}", appended * shape.batch);
    std::io::stdout().flush().expect("a line to the parent");
    // Ends by the signal, or, if the parent is gone, with its end of the pipe; never by closing.
    let _ = std::io::stdin().read(&mut [0]);
    std::process::exit(1);
}
