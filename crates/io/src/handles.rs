//! How many files this process may have open, and how a call tells that it has no more.

use std::io;

use rustix::io::Errno;
use rustix::process::Resource;

/// Whose limit of open files is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandleLimit {
    /// The process's: EMFILE. `ulimit -n` shows it.
    Process,
    /// The machine's: ENFILE.
    Machine,
}

impl HandleLimit {
    /// The limit that an error of the system is about, if it is about one.
    #[must_use]
    pub fn behind(error: &io::Error) -> Option<HandleLimit> {
        match Errno::from_io_error(error) {
            Some(Errno::MFILE) => Some(HandleLimit::Process),
            Some(Errno::NFILE) => Some(HandleLimit::Machine),
            _ => None,
        }
    }
}

/// How many files this process may have open, sockets included (the soft limit of RLIMIT_NOFILE);
/// None if there is no limit.
#[must_use]
pub fn open_file_limit() -> Option<u64> {
    rustix::process::getrlimit(Resource::Nofile).current
}
