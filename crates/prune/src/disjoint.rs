//! [`DisjointSets`]: a disjoint-set forest (Tarjan, "Efficiency of a good but not linear set union
//! algorithm", 1975).

/// A partition of the elements `0..n`.
pub(crate) struct DisjointSets {
    parent: Vec<usize>,
}

impl DisjointSets {
    /// One set per element.
    pub(crate) fn new(n: usize) -> Self {
        Self { parent: (0..n).collect() }
    }

    /// The smallest element of the set, which makes the result independent of the order of unions.
    pub(crate) fn find(&mut self, mut element: usize) -> usize {
        while self.parent[element] != element {
            self.parent[element] = self.parent[self.parent[element]];
            element = self.parent[element];
        }
        element
    }

    /// Merges two sets.
    pub(crate) fn union(&mut self, a: usize, b: usize) {
        let a = self.find(a);
        let b = self.find(b);
        self.parent[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_named_by_their_smallest_element() {
        for pairs in [[(4, 2), (2, 5), (0, 1)], [(0, 1), (5, 4), (5, 2)]] {
            let mut sets = DisjointSets::new(6);
            for (a, b) in pairs {
                sets.union(a, b);
            }
            assert_eq!((0..6).map(|i| sets.find(i)).collect::<Vec<_>>(), [0, 0, 2, 3, 2, 2]);
        }
    }
}
