//! Processes that are killed: what one dies of otherwise is not taken for that.

use std::process::ExitStatus;

/// Has the process end with the first thread that panics.
pub fn end_with_any_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::abort();
    }));
}

/// Whether it was killed, and did not end by itself.
pub fn was_killed(status: ExitStatus) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        const SIGKILL: i32 = 9;
        status.signal() == Some(SIGKILL)
    }
    #[cfg(not(unix))]
    {
        // What `Child::kill` has it end with.
        status.code() == Some(1)
    }
}
