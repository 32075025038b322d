//! The simulated folders: which names they show, which names the disk has, and the operations that
//! lie between the two until a folder is synced. An operation happens whole or not at all, and
//! never before an earlier one on the same name.

use super::random::{Mood, Random};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};

/// A file or folder, whatever its names.
pub(super) type NodeId = u64;
/// A name, in the folder that holds it.
pub(super) type Name = (NodeId, String);

pub(super) const ROOT: NodeId = 0;

#[derive(Clone, Debug, Default)]
struct Folder {
    live: BTreeMap<String, NodeId>,
    durable: BTreeMap<String, NodeId>,
}

/// What one operation makes of each name it touches.
pub(super) type NameOp = Vec<(Name, Option<NodeId>)>;

#[derive(Clone, Debug)]
pub(super) struct Names {
    folders: BTreeMap<NodeId, Folder>,
    unsynced: Vec<NameOp>,
}

/// Where a path leads: to the name in an existing folder, and what stands there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) name: Name,
    pub(super) node: Option<NodeId>,
}

impl Names {
    pub(super) fn new() -> Names {
        Names {
            folders: BTreeMap::from([(ROOT, Folder::default())]),
            unsynced: Vec::new(),
        }
    }

    pub(super) fn is_folder(&self, node: NodeId) -> bool {
        self.folders.contains_key(&node)
    }

    pub(super) fn add_folder(&mut self, node: NodeId) {
        self.folders.insert(node, Folder::default());
    }

    pub(super) fn entries(&self, folder: NodeId) -> impl Iterator<Item = (&str, NodeId)> {
        let live = self.folders.get(&folder).map(|folder| &folder.live);
        live.into_iter()
            .flatten()
            .map(|(name, node)| (name.as_str(), *node))
    }

    /// What is under this path.
    pub(super) fn find(&self, path: &Path) -> io::Result<NodeId> {
        let mut node = ROOT;
        for name in normalize(path)? {
            let folder = self
                .folders
                .get(&node)
                .ok_or(io::ErrorKind::NotADirectory)?;
            node = *folder.live.get(&name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    /// The name that this path is, in its folder, which exists.
    pub(super) fn place(&self, path: &Path) -> io::Result<Place> {
        let mut names = normalize(path)?;
        // The root can be neither made, renamed nor removed.
        let last = names.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let folder = self.find(&names.iter().collect::<PathBuf>())?;
        let names = self
            .folders
            .get(&folder)
            .ok_or(io::ErrorKind::NotADirectory)?;
        let node = names.live.get(&last).copied();
        Ok(Place {
            name: (folder, last),
            node,
        })
    }

    pub(super) fn perform(&mut self, op: NameOp) {
        for ((folder, name), node) in &op {
            if let Some(folder) = self.folders.get_mut(folder) {
                set(&mut folder.live, name, *node);
            }
        }
        self.unsynced.push(op);
    }

    /// Makes durable what was done in this folder, and what came before on the same names.
    pub(super) fn sync(&mut self, folder: NodeId) {
        let mut names: BTreeSet<Name> = BTreeSet::new();
        let mut synced = Vec::new();
        for op in std::mem::take(&mut self.unsynced).into_iter().rev() {
            let concerned = op
                .iter()
                .any(|(name, _)| name.0 == folder || names.contains(name));
            if concerned {
                names.extend(op.iter().map(|(name, _)| name.clone()));
                synced.push(op);
            } else {
                self.unsynced.push(op);
            }
        }
        self.unsynced.reverse();
        synced.iter().rev().for_each(|op| self.make_durable(op));
    }

    pub(super) fn lose_power(&mut self, random: &mut Random) {
        let ops = std::mem::take(&mut self.unsynced);
        let mood = Mood::pick(random, ops.len());
        let mut blocked: BTreeSet<Name> = BTreeSet::new();
        for (index, op) in ops.iter().enumerate() {
            let lucky = match mood {
                Mood::Prefix(count) => index < count,
                Mood::Mixed => random.coin(),
            };
            if lucky && op.iter().all(|(name, _)| !blocked.contains(name)) {
                self.make_durable(op);
            } else {
                blocked.extend(op.iter().map(|(name, _)| name.clone()));
            }
        }
        for folder in self.folders.values_mut() {
            folder.live.clone_from(&folder.durable);
        }
    }

    fn make_durable(&mut self, op: &NameOp) {
        for ((folder, name), node) in op {
            if let Some(folder) = self.folders.get_mut(folder) {
                set(&mut folder.durable, name, *node);
            }
        }
    }

    /// Every file that has a name.
    pub(super) fn named(&self) -> BTreeSet<NodeId> {
        self.folders
            .values()
            .flat_map(|folder| folder.live.values().copied())
            .collect()
    }

    /// Forgets folders that no life can reach any more; tells what can be reached.
    pub(super) fn sweep(&mut self) -> BTreeSet<NodeId> {
        let mut reached = BTreeSet::from([ROOT]);
        let mut open: Vec<NodeId> = vec![ROOT];
        open.extend(self.unsynced.iter().flatten().filter_map(|(_, node)| *node));
        reached.extend(open.iter().copied());
        while let Some(node) = open.pop() {
            let Some(folder) = self.folders.get(&node) else {
                continue;
            };
            for child in folder.live.values().chain(folder.durable.values()) {
                if reached.insert(*child) {
                    open.push(*child);
                }
            }
        }
        self.folders.retain(|node, _| reached.contains(node));
        reached
    }
}

fn set(names: &mut BTreeMap<String, NodeId>, name: &str, node: Option<NodeId>) {
    match node {
        Some(node) => names.insert(name.to_owned(), node),
        None => names.remove(name),
    };
}

/// The names on the way from the root. A relative path starts there too, and there are no links,
/// so `..` can be taken literally.
pub(super) fn normalize(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => {
                let name = name.to_str().ok_or(io::ErrorKind::InvalidInput)?;
                names.push(name.to_owned());
            }
            Component::ParentDir => {
                names.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(names)
}
