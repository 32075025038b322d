//! Reading a file through a memory map: the only `unsafe` code. It forms no reference to mapped
//! bytes, which the system may change at any time, but copies them out by raw pointer, and only
//! below the length that [`Extent`] keeps from shrinking meanwhile.

#![allow(unsafe_code)]

use crate::extent::Extent;
use crate::{ReadAt, unexpected_eof};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct FileMap {
    // Before the map, so that it is given up while the map still holds the inode number.
    extent: Arc<Extent>,
    map: MmapRaw,
    capacity: u64,
}

impl FileMap {
    pub(crate) fn new(file: &File, capacity: u64, extent: Arc<Extent>) -> io::Result<FileMap> {
        let len = usize::try_from(capacity)
            .ok()
            .filter(|len| *len <= isize::MAX as usize);
        let Some(len) = len else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a map of {capacity} bytes does not fit the address space"),
            ));
        };
        // An explicit length is taken as it is, so the map may reach beyond the end of the file.
        let map = MmapOptions::new().len(len.max(1)).map_raw_read_only(file)?;
        extent.measure(file)?;
        Ok(FileMap {
            map,
            capacity,
            extent,
        })
    }
}

impl ReadAt for FileMap {
    fn read_exact_at(&self, position: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = crate::end_of(position, buf.len())?;
        if buf.is_empty() {
            return Ok(());
        }
        let kept = self.extent.keep();
        let readable = kept.known_len().min(self.capacity);
        if end > readable {
            return Err(unexpected_eof(position, buf.len(), readable));
        }
        // SAFETY: `position + buf.len() <= capacity`, which is the length of the mapping, so the
        // source lies within it and `position` fits a usize; the mapping lives as long as `self`.
        // The source also lies below the file's known length, so its pages are backed: `kept`
        // keeps every handle of this process from shortening the file until the copy is done
        // (other processes are the documented exception). `buf` is a live exclusive slice, and
        // can not overlap memory that nobody can hold a reference to. The bytes may change while
        // they are copied, by a system call from any thread; no Rust code writes to the mapping,
        // and any byte is a valid u8.
        unsafe {
            let source = self.map.as_ptr().add(position as usize);
            std::ptr::copy_nonoverlapping(source, buf.as_mut_ptr(), buf.len());
        }
        drop(kept);
        Ok(())
    }
}
