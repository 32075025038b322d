//! The engine's errors as JavaScript gets them: a plain object beside a completion, or a thrown `Error` whose
//! `code` is ours and whose message is that object as JSON, for `ts/errors.ts` to turn into a `TidelogError`.

use std::any::Any;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use napi::{Env, JsError};
use napi_derive::napi;
use tidelog::Error;

use crate::numbers::nearest;

/// What went wrong, with the facts of it as data.
#[napi(object)]
#[derive(Debug, Clone, PartialEq)]
pub struct NativeError {
    /// Stable, `ERR_TIDELOG_…`.
    pub code: String,
    /// For people: what was wrong and what to do.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retriable: bool,
    /// Whether it is unknown if anything was stored.
    pub indefinite: bool,
    /// The figures of it, by code. OFFSET_OUT_OF_RANGE: offset, log start, high watermark. STORE_LOCKED: the
    /// holder's process id, if known. CORRUPTION of a partition: partition, offset, position in the file.
    /// UNKNOWN_PARTITION: partition, partitions there are. RECORD_TOO_LARGE: size, limit. INVALID_RECORD: its index
    /// among the records of the call. UNSUPPORTED_VERSION: found, newest supported. OFFSET_CONFLICT: expected, actual.
    /// OUT_OF_ORDER_SEQUENCE: expected, given. TRANSACTION_TOO_LARGE: size, limit. INVALID_FILTER: position in UTF-16.
    pub numbers: Option<Vec<f64>>,
    /// The file or folder that it is about.
    pub path: Option<String>,
}

/// How a synchronous export fails: Node sees the code in `error.code`.
pub(crate) type Thrown = napi::Error<String>;

impl From<Error> for NativeError {
    fn from(error: Error) -> NativeError {
        NativeError {
            code: error.code().to_owned(),
            message: error.to_string(),
            retriable: error.retriable(),
            indefinite: error.indefinite(),
            numbers: numbers(&error),
            path: path(&error).map(|path| path.to_string_lossy().into_owned()),
        }
    }
}

fn numbers(error: &Error) -> Option<Vec<f64>> {
    Some(match *error {
        Error::OffsetOutOfRange {
            offset,
            log_start,
            high_watermark,
            ..
        } => {
            vec![nearest(offset), nearest(log_start), nearest(high_watermark)]
        }
        Error::StoreLocked { pid: Some(pid), .. } => vec![f64::from(pid)],
        Error::Corruption {
            partition,
            offset,
            position,
            ..
        } => {
            vec![f64::from(partition), nearest(offset), nearest(position)]
        }
        Error::UnknownPartition {
            partition, count, ..
        } => vec![f64::from(partition), f64::from(count)],
        Error::RecordTooLarge { size, limit, .. } => vec![nearest(size), nearest(limit)],
        Error::InvalidRecord { index, .. } => vec![nearest(index as u64)],
        Error::UnsupportedVersion {
            found, supported, ..
        } => vec![f64::from(found), f64::from(supported)],
        Error::OffsetConflict {
            expected, actual, ..
        } => vec![nearest(expected), nearest(actual)],
        Error::OutOfOrderSequence {
            expected, given, ..
        } => vec![f64::from(expected), f64::from(given)],
        Error::TransactionTooLarge { size, limit, .. } => vec![nearest(size), nearest(limit)],
        Error::InvalidFilter {
            ref text, position, ..
        } => {
            // JavaScript counts otherwise than the engine does.
            let before = text.get(..position).unwrap_or(text);
            vec![nearest(before.encode_utf16().count() as u64)]
        }
        _ => return None,
    })
}

fn path(error: &Error) -> Option<&Path> {
    let path: &PathBuf = match error {
        Error::StoreLocked { path, .. }
        | Error::NotAStore { path, .. }
        | Error::UnsupportedVersion { path, .. }
        | Error::UnsupportedFileSystem { path, .. }
        | Error::StorageFull { path }
        | Error::Io { path, .. } => path,
        Error::Corruption { file, .. } | Error::CorruptFile { file, .. } => file,
        _ => return None,
    };
    Some(path)
}

impl NativeError {
    /// A panic of ours, which is a defect: nobody knows how far the work got.
    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> NativeError {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("panic");
        NativeError::internal(text)
    }

    /// Work that ended without an answer, by a panic on an engine thread.
    pub(crate) fn unanswered() -> NativeError {
        NativeError::internal("ended without an answer")
    }

    fn internal(message: &str) -> NativeError {
        NativeError {
            code: "ERR_TIDELOG_INTERNAL".to_owned(),
            message: message.to_owned(),
            retriable: false,
            indefinite: true,
            numbers: None,
            path: None,
        }
    }

    /// The error that rejects a promise. Made on the JavaScript thread, because a task's own error type has no
    /// room for our code.
    pub(crate) fn rejection(self, env: Env) -> napi::Error {
        JsError::from(Thrown::from(self)).into_unknown(env).into()
    }

    fn json(&self) -> String {
        let mut out = String::with_capacity(self.message.len() + 128);
        out.push_str("{\"code\":");
        write_string(&mut out, &self.code);
        out.push_str(",\"message\":");
        write_string(&mut out, &self.message);
        let _ = write!(
            out,
            ",\"retriable\":{},\"indefinite\":{}",
            self.retriable, self.indefinite
        );
        if let Some(numbers) = &self.numbers {
            let numbers: Vec<String> = numbers.iter().map(f64::to_string).collect();
            let _ = write!(out, ",\"numbers\":[{}]", numbers.join(","));
        }
        if let Some(path) = &self.path {
            out.push_str(",\"path\":");
            write_string(&mut out, path);
        }
        out.push('}');
        out
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

impl From<NativeError> for Thrown {
    fn from(error: NativeError) -> Thrown {
        let json = error.json();
        Thrown::new(error.code, json)
    }
}

/// Makes a failed engine call a thrown error.
pub(crate) fn thrown(error: Error) -> Thrown {
    NativeError::from(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_the_facts_and_escapes_what_it_must() {
        let error = NativeError {
            code: "ERR_TIDELOG_IO".to_owned(),
            message: "open \"a\\b\"\n\u{1}é".to_owned(),
            retriable: false,
            indefinite: true,
            numbers: Some(vec![9_007_199_254_740_991.0, 0.0]),
            path: Some("/a\"b".to_owned()),
        };
        let expected = concat!(
            r#"{"code":"ERR_TIDELOG_IO","message":"open \"a\\b\"\u000a\u0001é","retriable":false,"indefinite":true,"#,
            r#""numbers":[9007199254740991,0],"path":"/a\"b"}"#,
        );
        assert_eq!(error.json(), expected);
    }

    #[test]
    fn the_figures_of_an_offset_out_of_range_are_data() {
        let error = Error::OffsetOutOfRange {
            topic: "orders".to_owned(),
            partition: 3,
            offset: 9,
            log_start: 2,
            high_watermark: 7,
        };
        let native = NativeError::from(error);
        assert_eq!(native.code, "ERR_TIDELOG_OFFSET_OUT_OF_RANGE");
        assert_eq!(native.numbers, Some(vec![9.0, 2.0, 7.0]));
    }

    #[test]
    fn the_place_in_a_filter_is_counted_as_javascript_does() {
        let error = tidelog::Filter::compile("key = '😀é' ?").unwrap_err();
        assert_eq!(NativeError::from(error).numbers, Some(vec![12.0]));
    }

    #[test]
    fn a_panic_tells_its_message_and_that_nothing_is_known() {
        let payload = std::panic::catch_unwind(|| panic!("index {}", 7)).unwrap_err();
        let native = NativeError::panicked(payload.as_ref());
        assert_eq!(native.message, "index 7");
        assert!(native.indefinite);
    }
}
