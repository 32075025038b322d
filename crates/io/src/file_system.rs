//! Which kind of file system a path is on, as far as it matters: whether locks and maps mean
//! there what they mean on a disk of this machine.

use std::io;
use std::path::Path;

/// A kind of file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSystemKind {
    /// Of this machine, by the name that `mount` would show; `unknown` if it is not known here.
    Local(String),
    /// Shared between machines: one writer is not the only writer for certain, and a map can
    /// lose its bytes at any time.
    Network(String),
}

impl FileSystemKind {
    /// The name, such as `ext4` or `nfs`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            FileSystemKind::Local(name) | FileSystemKind::Network(name) => name,
        }
    }

    /// Whether it is shared between machines.
    #[must_use]
    pub fn is_network(&self) -> bool {
        matches!(self, FileSystemKind::Network(_))
    }
}

/// The magic numbers of statfs(2).
#[cfg(target_os = "linux")]
const NETWORK: &[(u32, &str)] = &[
    (0x0000_6969, "nfs"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x0000_517b, "smb"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "ceph"),
    (0x5346_414f, "afs"),
    (0x6b41_4653, "kafs"),
    (0x7375_7245, "coda"),
    (0x0000_564c, "ncp"),
    (0x0bd0_0bd0, "lustre"),
    (0x1980_0202, "ibrix"),
    (0x4750_4653, "gpfs"),
    (0x0116_1970, "gfs2"),
    (0x7461_636f, "ocfs2"),
    (0xaad7_aaea, "panfs"),
    (0x786f_4256, "vboxsf"),
    (0xbacb_acbc, "vmhgfs"),
    (0xbeef_dead, "snfs"),
    (0x2005_1216, "orangefs"),
];

#[cfg(target_os = "linux")]
const LOCAL: &[(u32, &str)] = &[
    (0x0000_ef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlay"),
    (0x2fc1_2fc1, "zfs"),
    (0xf2f5_2010, "f2fs"),
    (0xca45_1a4e, "bcachefs"),
    (0x5265_4973, "reiserfs"),
    (0x3153_464a, "jfs"),
    (0x0000_3434, "nilfs2"),
    (0x0000_4d44, "vfat"),
    (0x2011_bab0, "exfat"),
    (0x5346_544e, "ntfs"),
    (0x7366_746e, "ntfs3"),
    (0x0000_f15f, "ecryptfs"),
    (0x6165_676c, "pstore"),
    (0x6a65_6a63, "fakeowner"),
];

#[cfg(target_os = "linux")]
const FUSE: u32 = 0x6573_5546;

/// How the names of FUSE file systems begin whose bytes are on other machines. All others are
/// taken for local ones.
#[cfg(target_os = "linux")]
const NETWORK_FUSE: &[&str] = &[
    "ceph",
    "cvmfs",
    "davfs",
    "gcsfuse",
    "glusterfs",
    "goofys",
    "hdfs",
    "httpfs",
    "juicefs",
    "lustre",
    "mfs",
    "moosefs",
    "ossfs",
    "rclone",
    "s3fs",
    "s3ql",
    "seaweedfs",
    "smbnetfs",
    "sshfs",
    "weed",
];

#[cfg(target_os = "linux")]
pub(crate) fn of(path: &Path) -> io::Result<FileSystemKind> {
    let statfs = crate::retry::uninterrupted(|| Ok(rustix::fs::statfs(path)?))?;
    // The field's width and sign differ between processors; the numbers are 32 bits.
    let magic = statfs.f_type as u32;
    if magic == FUSE {
        return Ok(of_fuse(&mounted_type(path).unwrap_or_default()));
    }
    Ok(of_magic(magic))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn of(path: &Path) -> io::Result<FileSystemKind> {
    std::fs::metadata(path)?;
    Ok(FileSystemKind::Local("unknown".into()))
}

#[cfg(target_os = "linux")]
fn of_magic(magic: u32) -> FileSystemKind {
    let named = |table: &[(u32, &str)]| {
        table
            .iter()
            .find(|(number, _)| *number == magic)
            .map(|(_, name)| (*name).to_owned())
    };
    match named(NETWORK) {
        Some(name) => FileSystemKind::Network(name),
        None => FileSystemKind::Local(named(LOCAL).unwrap_or_else(|| "unknown".into())),
    }
}

/// `name` is the mount's type: `fuse.sshfs`, `fuseblk`, plain `fuse`, or nothing.
#[cfg(target_os = "linux")]
fn of_fuse(name: &str) -> FileSystemKind {
    let subtype = name.strip_prefix("fuse.").unwrap_or("");
    if NETWORK_FUSE
        .iter()
        .any(|network| subtype.starts_with(network))
    {
        FileSystemKind::Network(name.to_owned())
    } else if name.is_empty() {
        FileSystemKind::Local("fuse".into())
    } else {
        FileSystemKind::Local(name.to_owned())
    }
}

/// The type of the mount that holds `path`. statfs says no more than FUSE; the mount table does.
#[cfg(target_os = "linux")]
fn mounted_type(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let device = std::fs::metadata(path).ok()?.dev();
    let wanted = format!(
        "{}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device)
    );
    let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    type_in_mount_table(&table, &wanted)
}

#[cfg(target_os = "linux")]
fn type_in_mount_table(table: &str, device: &str) -> Option<String> {
    // id parent device root mountpoint options [tags...] - type source options
    table.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        (mount.split(' ').nth(2) == Some(device))
            .then(|| kind.split(' ').next().unwrap_or_default().to_owned())
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_from_local_ones() {
        for magic in [0x6969, 0xff53_4d42, 0xfe53_4d42, 0x517b, 0x0102_1997] {
            assert!(of_magic(magic).is_network(), "{magic:x}");
        }
        for (magic, name) in [
            (0xef53, "ext4"),
            (0x5846_5342, "xfs"),
            (0x0102_1994, "tmpfs"),
        ] {
            assert_eq!(of_magic(magic), FileSystemKind::Local(name.into()));
        }
        assert_eq!(
            of_magic(0x1234_5678),
            FileSystemKind::Local("unknown".into())
        );
    }

    #[test]
    fn fuse_is_judged_by_what_is_behind_it() {
        let table = "22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/root rw\n\
                     40 22 0:35 / /mnt/far\\040away rw shared:2 master:1 - fuse.sshfs me@host:/ rw\n\
                     41 22 0:36 / /mnt/disk rw - fuseblk /dev/sdb1 rw\n";
        let kind = |device| of_fuse(&type_in_mount_table(table, device).unwrap_or_default());
        assert_eq!(kind("0:35"), FileSystemKind::Network("fuse.sshfs".into()));
        assert_eq!(kind("0:36"), FileSystemKind::Local("fuseblk".into()));
        assert_eq!(kind("0:99"), FileSystemKind::Local("fuse".into()));
    }

    #[test]
    fn this_machine_has_local_ones() {
        for path in ["/", "/proc", "/dev/shm"] {
            if Path::new(path).exists() {
                assert!(!of(Path::new(path)).unwrap().is_network(), "{path}");
            }
        }
        assert_eq!(
            of(Path::new("/no/such/path")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
