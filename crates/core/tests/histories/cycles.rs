//! Circles of transactions: one is before another that wrote behind it in a partition (ww), or that has read what it
//! wrote (wr). A circle of ww alone is G0, with wr G1c. What is left of a graph when whoever has nobody before it, or
//! nobody behind it, is taken away again and again, holds its circles.

use super::checker::{Anomaly, Found};
use super::events::*;
use super::log::Log;
use super::transactions::Transactions;

pub fn check(history: &[Event], transactions: &Transactions, log: &Log, found: &mut Found) {
    let mut edges: Vec<(usize, usize)> = Vec::new();
    for place in &log.places {
        let writers: Vec<_> = place
            .iter()
            .flatten()
            .filter_map(|value| transactions.of(*value))
            .collect();
        edges.extend(writers.windows(2).map(|pair| (pair[0], pair[1])));
    }
    report(edges.clone(), transactions, Anomaly::WriteCycle, found);
    for event in history {
        let Event::Polled(polled) = event else {
            continue;
        };
        let Some(reader) = transactions.index(polled.transaction) else {
            continue;
        };
        // In each partition the last writer is behind all others.
        for place in 0..PLACES {
            let mut here = polled.records.iter().filter(|read| read.place == place);
            let writer = here.next_back().and_then(|r| transactions.of(r.value));
            edges.extend(writer.map(|writer| (writer, reader)));
        }
    }
    report(edges, transactions, Anomaly::CircularInformationFlow, found);
}

fn report(
    mut edges: Vec<(usize, usize)>,
    transactions: &Transactions,
    anomaly: Anomaly,
    found: &mut Found,
) {
    edges.retain(|(from, to)| from != to);
    edges.sort_unstable();
    edges.dedup();
    let nodes = transactions.all.len();
    let mut left = peel(&edges, nodes);
    if left.iter().any(|left| *left) {
        edges.retain(|(from, to)| left[*from] && left[*to]);
        edges
            .iter_mut()
            .for_each(|(from, to)| std::mem::swap(from, to));
        edges.sort_unstable();
        left = peel(&edges, nodes);
        for index in (0..nodes).filter(|index| left[*index]) {
            found.add(anomaly, || format!("{:?}", transactions.all[index]));
        }
    }
}

/// What can not be put in an order: true for those that have others before them, however many are taken away.
fn peel(edges: &[(usize, usize)], nodes: usize) -> Vec<bool> {
    let mut before = vec![0u32; nodes];
    edges.iter().for_each(|(_, to)| before[*to] += 1);
    let mut ready: Vec<usize> = (0..nodes).filter(|node| before[*node] == 0).collect();
    let mut left = vec![true; nodes];
    while let Some(node) = ready.pop() {
        left[node] = false;
        let first = edges.partition_point(|(from, _)| *from < node);
        for (_, to) in edges[first..].iter().take_while(|(from, _)| *from == node) {
            before[*to] -= 1;
            if before[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    left
}
