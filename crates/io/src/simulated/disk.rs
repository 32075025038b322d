//! The simulated disk behind all handles: files, names, space, the plan of what goes wrong, and
//! which life of the machine this is. Every call is counted first and then carried out, failed, or
//! left hanging in the crash.

use super::bytes::{Edit, FileBytes};
use super::faults::{CallKind, Plan, Verdict, down, no_space};
use super::names::{NameOp, Names, NodeId, ROOT};
use super::random::Random;
use super::{BLOCK, CrashKind, Device, FaultKind};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Files are kept in memory, so a length out of all reason is refused instead of dying of it.
const MAX_FILE: u64 = 8 << 30;

#[derive(Clone, Debug, Default)]
pub(super) struct FileNode {
    pub(super) bytes: FileBytes,
    /// Open files of this life. Space is given back when there is neither name nor handle.
    pub(super) handles: usize,
    pub(super) locked: bool,
}

/// Something that a crash can catch half done.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Edit(NodeId, Edit),
    Allocate {
        node: NodeId,
        position: u64,
        len: u64,
    },
    Name(NameOp),
    SyncFile(NodeId),
    SyncFolder(NodeId),
}

#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) plan: Plan,
    pub(super) capacity: Option<u64>,
    pub(super) most_handles: Option<usize>,
    pub(super) names: Names,
    pub(super) files: BTreeMap<NodeId, FileNode>,
    /// Folders that are locked.
    pub(super) locked: BTreeSet<NodeId>,
    device: Device,
    life: u64,
    down: bool,
    in_flight: Option<Change>,
    next_node: NodeId,
}

impl Disk {
    pub(super) fn new(device: Device) -> Disk {
        Disk {
            plan: Plan::default(),
            capacity: None,
            most_handles: None,
            names: Names::new(),
            files: BTreeMap::new(),
            locked: BTreeSet::new(),
            device,
            life: 0,
            down: false,
            in_flight: None,
            next_node: ROOT + 1,
        }
    }

    pub(super) fn life(&self) -> u64 {
        self.life
    }

    pub(super) fn is_down(&self) -> bool {
        self.down
    }

    pub(super) fn new_node(&mut self) -> NodeId {
        self.next_node += 1;
        self.next_node - 1
    }

    pub(super) fn file(&mut self, node: NodeId) -> io::Result<&mut FileNode> {
        self.files
            .get_mut(&node)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Whether a caller of that life may still call.
    pub(super) fn check_life(&self, life: u64) -> io::Result<()> {
        if self.down || life != self.life {
            Err(down())
        } else {
            Ok(())
        }
    }

    pub(super) fn open_handles(&self) -> usize {
        self.files.values().map(|file| file.handles).sum()
    }

    /// Refuses one more handle when there are as many as may be.
    pub(super) fn check_handles(&self) -> io::Result<()> {
        match self.most_handles {
            Some(most) if self.open_handles() >= most => Err(FaultKind::NoHandles.error()),
            _ => Ok(()),
        }
    }

    /// Counts a call. One that only looks is over with what this says.
    pub(super) fn begin(&mut self, life: u64, kind: CallKind) -> io::Result<Verdict> {
        self.check_life(life)?;
        let verdict = self.plan.count(kind);
        self.down |= verdict == Verdict::Crash;
        match verdict {
            Verdict::Crash if kind == CallKind::Look => Err(down()),
            Verdict::Fail(fault) if kind == CallKind::Look => Err(fault.error()),
            verdict => Ok(verdict),
        }
    }

    /// Does what was decided about a change.
    pub(super) fn finish(&mut self, verdict: Verdict, change: Change) -> io::Result<()> {
        match verdict {
            Verdict::Proceed => self.apply(change),
            Verdict::Crash => {
                self.in_flight = Some(change);
                Err(down())
            }
            Verdict::Fail(fault) => {
                match (fault, change) {
                    (FaultKind::LateEio, change) => self.apply(change)?,
                    (FaultKind::ShortWrite(count), Change::Edit(node, edit)) => {
                        self.apply_part(node, edit, |len| count.min(len.saturating_sub(1)))?;
                    }
                    (_, Change::SyncFile(node)) => self.file(node)?.bytes.fail_sync(),
                    // Names are in the file system's own journal, which does not go on without what it could not
                    // write: a later sync takes them along.
                    _ => {}
                }
                Err(fault.error())
            }
        }
    }

    fn apply(&mut self, change: Change) -> io::Result<()> {
        match change {
            Change::Edit(node, edit) => self.edit(node, edit)?,
            Change::Allocate {
                node,
                position,
                len,
            } => self.allocate(node, position, len)?,
            Change::Name(op) => self.names.perform(op),
            Change::SyncFile(node) => self.file(node)?.bytes.sync(),
            Change::SyncFolder(folder) => {
                self.names.sync(folder);
                self.sweep();
            }
        }
        Ok(())
    }

    fn edit(&mut self, node: NodeId, edit: Edit) -> io::Result<()> {
        let Edit::Write { position, bytes } = &edit else {
            if let Edit::SetLen(len) = &edit {
                check_size(*len)?;
            }
            self.file(node)?.bytes.edit(edit);
            return Ok(());
        };
        let (position, len) = (*position, bytes.len());
        check_size(position + len as u64)?;
        let free = self.free_blocks();
        let bytes = &mut self.file(node)?.bytes;
        // The block that finds no space is where the write ends.
        let full = bytes.missing_blocks(position, len as u64).nth(free);
        let Some(full) = full else {
            bytes.edit(edit);
            return Ok(());
        };
        self.apply_part(node, edit, |_| full.saturating_sub(position) as usize)?;
        Err(no_space())
    }

    /// Does the first bytes of a write, without looking at the space.
    fn apply_part(
        &mut self,
        node: NodeId,
        edit: Edit,
        part: impl Fn(usize) -> usize,
    ) -> io::Result<()> {
        if let Edit::Write {
            position,
            mut bytes,
        } = edit
        {
            bytes.truncate(part(bytes.len()));
            if !bytes.is_empty() {
                self.file(node)?.bytes.edit(Edit::Write { position, bytes });
            }
        }
        Ok(())
    }

    fn allocate(&mut self, node: NodeId, position: u64, len: u64) -> io::Result<()> {
        check_size(position.saturating_add(len))?;
        let free = self.free_blocks();
        let bytes = &mut self.file(node)?.bytes;
        if bytes.missing_blocks(position, len).nth(free).is_some() {
            return Err(no_space());
        }
        bytes.take_blocks(position, len);
        Ok(())
    }

    fn free_blocks(&self) -> usize {
        let Some(capacity) = self.capacity else {
            return usize::MAX;
        };
        (capacity.saturating_sub(self.used()) / BLOCK) as usize
    }

    pub(super) fn used(&self) -> u64 {
        let named = self.names.named();
        let counts = |(node, file): &(&NodeId, &FileNode)| file.handles > 0 || named.contains(node);
        self.files
            .iter()
            .filter(counts)
            .map(|(_, file)| file.bytes.used())
            .sum()
    }

    /// Forgets files that nothing can reach any more, in this life or the next.
    pub(super) fn sweep(&mut self) {
        let reached = self.names.sweep();
        self.files
            .retain(|node, file| file.handles > 0 || reached.contains(node));
    }

    pub(super) fn crash(&mut self, kind: CrashKind, seed: u64) {
        let mut random = Random::new(seed);
        if let Some(change) = self.in_flight.take() {
            self.settle(change, &mut random);
        }
        if kind == CrashKind::PowerLoss {
            self.names.lose_power(&mut random);
            for file in self.files.values_mut() {
                file.bytes.lose_power(&self.device, &mut random);
            }
        }
        for file in self.files.values_mut() {
            file.handles = 0;
            file.locked = false;
        }
        self.locked.clear();
        self.sweep();
        self.plan.clear();
        self.life += 1;
        self.down = false;
    }

    /// What the call that was under way has done: a write any first part of it, all else
    /// everything or nothing.
    fn settle(&mut self, change: Change, random: &mut Random) {
        // Nobody hears of an error any more.
        let _unheard = match change {
            Change::Edit(node, Edit::Write { position, bytes }) => {
                let part = torn_len(position, bytes.len() as u64, random) as usize;
                let bytes = bytes[..part].to_vec();
                if bytes.is_empty() {
                    Ok(())
                } else {
                    self.edit(node, Edit::Write { position, bytes })
                }
            }
            change if random.coin() => self.apply(change),
            _ => Ok(()),
        };
    }
}

/// How far a write of `len` bytes got: nothing, all, up to a page's end, or anywhere.
fn torn_len(position: u64, len: u64, random: &mut Random) -> u64 {
    let anywhere = random.between(0, len);
    match random.below(4) {
        0 => 0,
        1 => len,
        2 => ((position + anywhere) / BLOCK * BLOCK).saturating_sub(position),
        _ => anywhere,
    }
}

fn check_size(len: u64) -> io::Result<()> {
    if len > MAX_FILE {
        Err(io::ErrorKind::FileTooLarge.into())
    } else {
        Ok(())
    }
}
