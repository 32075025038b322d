//! Another process does to the segments of an open store what it must not: cuts, deletes, replaces them, takes their
//! rights away. A reader in a process of its own gets records or an error and is not ended by a signal; the writer goes
//! on or gives a documented error, then and at the next opening. The roles run in children of this test, so that a
//! signal is seen as one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking, and counts are to be seen"
)]
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use support::*;
use tidelog::{OpenOptions, Partition, Store, TopicConfig};

const ROUNDS: u64 = 20;
const ROLE: &str = "TIDELOG_NEIGHBOUR_ROLE";
const FOLDER: &str = "TIDELOG_NEIGHBOUR_FOLDER";
const RECORDS: u64 = 120;
const DOCUMENTED: [&str; 4] = [
    "ERR_TIDELOG_CORRUPTION",
    "ERR_TIDELOG_IO",
    "ERR_TIDELOG_POISONED",
    "ERR_TIDELOG_OFFSET_OUT_OF_RANGE",
];

/// What a child says, in a line each.
fn say(line: &str) {
    // Not by `print!`, which the harness keeps back.
    let mut out = std::io::stdout();
    writeln!(out, "says {line}").unwrap();
    out.flush().unwrap();
}

fn code(answer: Result<(), tidelog::Error>) -> &'static str {
    answer.map_or_else(|error| error.code(), |()| "fine")
}

/// Reads all that is there: every record is the one that was written at its offset.
fn read_and_say(partition: &Partition) {
    let (records, error) = read_up_to_damage(partition, partition.log_start_offset());
    for (n, (offset, read)) in records.iter().enumerate() {
        assert_eq!(*offset, n as u64);
        assert_eq!(*read, value(*offset, 300), "{offset}");
    }
    say(&format!(
        "{} {}",
        records.len(),
        code(error.map_or(Ok(()), Err))
    ));
}

/// Does one thing a line that it is told, until there is no more.
fn play(role: &str, folder: &Path) {
    let options = OpenOptions {
        read_only: role == "reader",
        ..OpenOptions::default()
    };
    let store = match Store::open(folder, options) {
        Ok(store) => store,
        Err(error) => return say(&format!("0 {}", error.code())),
    };
    let config = TopicConfig {
        segment_bytes: 8000,
        ..TopicConfig::default()
    };
    let partition = topic(&store, "t", config).partition(0).unwrap();
    say(&format!("{} fine", store.recovery().damaged.len()));
    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            "fill" => {
                for n in 0..RECORDS {
                    partition.append(batch(&[value(n, 300)])).unwrap();
                }
                say("0 fine");
            }
            "append" => {
                let next = partition.log_end_offset();
                let answer = partition.append(batch(&[value(next, 300)]));
                say(&format!("0 {}", code(answer.map(|_| ()))));
            }
            "wait" => {
                while partition.high_watermark() < RECORDS {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                say("0 fine");
            }
            "read" => read_and_say(&partition),
            "close" => say(&format!("0 {}", code(store.close()))),
            other => panic!("{other}"),
        }
    }
}

/// The roles' entrance; without one there is nothing to play.
#[test]
fn a_role_in_a_child() {
    if let (Ok(role), Some(folder)) = (std::env::var(ROLE), std::env::var_os(FOLDER)) {
        play(&role, Path::new(&folder));
    }
}

struct Actor {
    child: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Actor {
    fn new(role: &str, folder: &Path) -> Actor {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "a_role_in_a_child",
                "--nocapture",
                "--test-threads=1",
            ])
            .envs([(ROLE, role.as_ref()), (FOLDER, folder.as_os_str())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let tell = child.stdin.take().unwrap();
        let hear = BufReader::new(child.stdout.take().unwrap());
        Actor { child, tell, hear }
    }

    /// A number and a code; None once the child has ended.
    fn hear(&mut self) -> Option<(u64, String)> {
        let mut line = String::new();
        while self.hear.read_line(&mut line).unwrap() > 0 {
            // The harness's own words may stand before it.
            if let Some((_, said)) = line.split_once("says ") {
                let (number, code) = said.trim_end().split_once(' ').unwrap();
                return Some((number.parse().unwrap(), code.to_owned()));
            }
            line.clear();
        }
        None
    }

    fn ask(&mut self, what: &str) -> Option<(u64, String)> {
        // A child that has ended can't be told anything: that shows in its silence.
        let _ = writeln!(self.tell, "{what}");
        self.hear()
    }

    fn end(self) -> ExitStatus {
        let Actor {
            mut child, tell, ..
        } = self;
        drop(tell);
        child.wait().unwrap()
    }
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    Cut,
    Delete,
    Replace,
    Forbid,
}

impl Deed {
    fn done_to(self, path: &Path, round: u64) {
        match self {
            Deed::Cut => {
                let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
                let len = file.metadata().unwrap().len();
                file.set_len(len * (round % 5) / 6).unwrap();
            }
            Deed::Delete => std::fs::remove_file(path).unwrap(),
            Deed::Replace => {
                let other = path.with_extension("other");
                std::fs::write(&other, vec![round as u8; 3000]).unwrap();
                std::fs::rename(other, path).unwrap();
            }
            Deed::Forbid => {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000)).unwrap();
            }
        }
    }
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("t-0")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "log"));
    paths.sort();
    paths
}

#[test]
fn a_reader_beside_a_hostile_neighbour_gets_errors_and_no_signal() {
    let mut errors = 0;
    for round in 0..ROUNDS {
        let deed = [Deed::Cut, Deed::Delete, Deed::Replace, Deed::Forbid][round as usize % 4];
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Actor::new("writer", folder.path());
        assert_eq!(writer.hear(), Some((0, "fine".to_owned())));
        assert_eq!(writer.ask("fill"), Some((0, "fine".to_owned())));
        let mut reader = Actor::new("reader", folder.path());
        reader.hear().unwrap();
        reader.ask("wait").unwrap();
        // Half of the readers have the file open already.
        if round % 8 < 4 {
            assert_eq!(reader.ask("read"), Some((RECORDS, "fine".to_owned())));
        }
        let paths = segments(folder.path());
        assert!(paths.len() > 3, "{paths:?}");
        let path = &paths[round as usize / 4 % paths.len()];
        deed.done_to(path, round);
        let context = format!("round {round}, {deed:?} {}", path.display());
        if matches!(deed, Deed::Forbid) && std::fs::File::open(path).is_ok() {
            println!("{context}: without effect, this user may read everything");
        }

        for _ in 0..2 {
            let (records, code) = reader
                .ask("read")
                .unwrap_or_else(|| panic!("{context}: silence"));
            let whole = records == RECORDS && code == "fine";
            assert!(
                whole || DOCUMENTED.contains(&&*code),
                "{context}: {records} {code}"
            );
            errors += u64::from(!whole);
        }
        let status = reader.end();
        assert!(
            status.success(),
            "{context}: the reader ended with {status}"
        );

        // The writer may go on or say why not; it does not read what others cut.
        for what in ["append", "close"] {
            let (_, code) = writer
                .ask(what)
                .unwrap_or_else(|| panic!("{context}: {what}"));
            assert!(
                code == "fine" || DOCUMENTED.contains(&&*code),
                "{context}: {what}: {code}"
            );
        }
        let status = writer.end();
        assert!(
            status.success(),
            "{context}: the writer ended with {status}"
        );

        let mut again = Actor::new("writer", folder.path());
        let (damaged, code) = again.hear().unwrap_or_else(|| panic!("{context}: opening"));
        let opened = code == "fine";
        assert!(
            opened || DOCUMENTED.contains(&&*code),
            "{context}: opening: {code}"
        );
        if opened {
            let (records, code) = again
                .ask("read")
                .unwrap_or_else(|| panic!("{context}: reading"));
            let said = damaged > 0 || DOCUMENTED.contains(&&*code);
            assert!(said || records >= RECORDS, "{context}: {records} {code}");
        }
        let status = again.end();
        assert!(
            status.success(),
            "{context}: the next writer ended with {status}"
        );
    }
    println!(
        "{ROUNDS} rounds, {errors} of {} reads met an error",
        2 * ROUNDS
    );
    assert!(errors >= ROUNDS / 2, "{errors}");
}
