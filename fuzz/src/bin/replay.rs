//! Runs one target over files, one after the other: for a look at inputs that failed.

#![allow(
    clippy::print_stderr,
    reason = "a program for people says what it does"
)]

use std::fs;
use std::process::ExitCode;

use tidelog_fuzz::TARGETS;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let Some((_, run)) = TARGETS.iter().find(|(target, _)| *target == name) else {
        let names: Vec<&str> = TARGETS.iter().map(|(target, _)| *target).collect();
        eprintln!("replay <target> <file> …, with one of {}", names.join(", "));
        return ExitCode::FAILURE;
    };
    for path in args {
        eprintln!("{path}");
        match fs::read(&path) {
            Ok(bytes) => run(&bytes),
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
