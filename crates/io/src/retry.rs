//! The loops that turn calls which may do less than they were asked into calls which do all of it
//! or fail. Every back end's reads and writes go through them.

use std::io;

/// One call to the system: moves at least one byte and at most all, or fails. Zero means the end
/// of the file when reading, and no progress when writing.
pub(crate) trait ShortIo {
    fn read_some_at(&self, position: u64, buf: &mut [u8]) -> io::Result<usize>;
    fn write_some_at(&self, position: u64, bytes: &[u8]) -> io::Result<usize>;
}

pub(crate) fn read_exact_at(file: &impl ShortIo, position: u64, buf: &mut [u8]) -> io::Result<()> {
    let wanted = buf.len();
    crate::end_of(position, wanted)?;
    let mut done = 0;
    while done < wanted {
        match file.read_some_at(position + done as u64, &mut buf[done..]) {
            Ok(0) => {
                return Err(crate::unexpected_eof(
                    position,
                    wanted,
                    position + done as u64,
                ));
            }
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(crate) fn write_all_at(file: &impl ShortIo, position: u64, bytes: &[u8]) -> io::Result<()> {
    crate::end_of(position, bytes.len())?;
    let mut done = 0;
    while done < bytes.len() {
        match file.write_some_at(position + done as u64, &bytes[done..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Repeats a call for as long as a signal interrupts it.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
