//! The one hash table of the router: (parent node, label) to child node, for nodes with more than one literal child.
//!
//! Open addressing, at most half full. Nodes carry the labels; a slot holds 32 bits of hash and the node, so that a
//! miss touches one cache line. The hash is keyed anew in every process: who sends requests cannot choose labels that
//! share a run of slots, and cannot insert any.

use std::hash::{BuildHasher, RandomState};

/// No node.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    node: u32,
}

const EMPTY: Slot = Slot { hash: 0, node: NONE };

/// The table.
#[derive(Debug)]
pub(super) struct Index {
    /// A power of two of them.
    slots: Vec<Slot>,
    used: usize,
    keys: [u64; 2],
}

impl Index {
    pub(super) fn new() -> Self {
        // The standard library's state is seeded by the operating system; two hashes of it make our keys.
        let state = RandomState::new();
        Self { slots: vec![EMPTY; 8], used: 0, keys: [state.hash_one(1_u8), state.hash_one(2_u8) | 1] }
    }

    /// The node under `hash` that `is_same` accepts.
    pub(super) fn find(&self, hash: u32, is_same: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut position = hash as usize & mask;
        loop {
            let slot = self.slots[position];
            if slot.node == NONE {
                return None;
            }
            if slot.hash == hash && is_same(slot.node) {
                return Some(slot.node);
            }
            position = (position + 1) & mask;
        }
    }

    /// Adds `node`, which is not there yet.
    pub(super) fn insert(&mut self, hash: u32, node: u32) {
        if (self.used + 1) * 2 > self.slots.len() {
            let slots = vec![EMPTY; self.slots.len() * 2];
            let old = std::mem::replace(&mut self.slots, slots);
            old.into_iter().filter(|slot| slot.node != NONE).for_each(|slot| self.place(slot));
        }
        self.used += 1;
        self.place(Slot { hash, node });
    }

    fn place(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut position = slot.hash as usize & mask;
        while self.slots[position].node != NONE {
            position = (position + 1) & mask;
        }
        self.slots[position] = slot;
    }

    /// The keyed hash of a child's place: eight bytes at a time, each step one wide multiplication folded onto itself.
    pub(super) fn hash(&self, parent: u32, label: &[u8]) -> u32 {
        let [key, multiplier] = self.keys;
        let (words, tail) = label.as_chunks::<8>();
        let mut state = key ^ (u64::from(parent) << 32 | label.len() as u64);
        for word in words {
            state = fold(state ^ u64::from_le_bytes(*word), multiplier);
        }
        (fold(fold(state ^ last(tail), multiplier), key | 1) >> 32) as u32
    }
}

fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product >> 64) as u64 ^ product as u64
}

/// Up to seven bytes as one number; equal-length tails give equal numbers only when they are equal.
fn last(tail: &[u8]) -> u64 {
    match *tail {
        [] => 0,
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a, b, c] => u64::from(u32::from_le_bytes([a, b, c, 0])),
        [a, b, c, d, ref rest @ ..] => u64::from(u32::from_le_bytes([a, b, c, d])) | last(rest) << 32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_found_and_nothing_else() {
        let mut index = Index::new();
        let labels: Vec<String> = (0..5_000).map(|number| format!("label-{number}")).collect();
        for (node, label) in labels.iter().enumerate() {
            let hash = index.hash(7, label.as_bytes());
            index.insert(hash, node as u32);
        }
        for (node, label) in labels.iter().enumerate() {
            let found = index.find(index.hash(7, label.as_bytes()), |other| labels[other as usize] == *label);
            assert_eq!(found, Some(node as u32));
        }
        assert_eq!(index.find(index.hash(7, b"absent"), |_| false), None);
        assert!(index.slots.len() >= 2 * index.used, "at most half full");
    }

    #[test]
    fn the_hash_depends_on_the_key_the_parent_and_every_byte() {
        let (one, two) = (Index::new(), Index::new());
        let label = b"a-label-of-twenty-two-b";
        assert_ne!(one.keys, two.keys);
        assert_ne!(one.hash(1, label), one.hash(2, label));
        for length in 0..label.len() {
            for position in 0..length {
                let mut other = label[..length].to_vec();
                other[position] ^= 0x20;
                assert_ne!(one.hash(1, &label[..length]), one.hash(1, &other), "{length} {position}");
            }
        }
    }
}
