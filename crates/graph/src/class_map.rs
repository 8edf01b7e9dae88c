//! Which class of a network is which class of a dataset: found by name, because each side numbers its classes in its own order.
//!
//! Names are compared in three rounds, each among what the round before left: as they are written, without the space around
//! them, and without regard to case and to how much space is inside. A round matches a name only if it stands once on each side.
//!
//! Names that are only numbers (`0`, `class1`, `class_2`) were made up by a program, and say no more than the order does. Where
//! a side has only such names and the other side has as many classes, classes are matched by number instead.

use std::collections::HashMap;
use std::fmt;

use serde::{Serialize, Serializer};

/// Names that a message lists before it counts the rest.
const LISTED: usize = 8;
/// What programs put before the number where they make names up.
const MADE_UP: [&str; 4] = ["class", "cls", "category", "label"];

/// What classes were matched by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MatchedBy {
    /// Their names.
    Name,
    /// Their numbers, because the names of a side are only numbers.
    Number,
    /// Their numbers, because no name of one side is one of the other.
    Order,
}

/// For each class of a dataset, that of a network.
///
/// ```
/// use bonsai_graph::ClassMap;
/// let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
/// let map = ClassMap::new(&names(&["RBC", "WBC"]), &names(&["wbc", "RBC", "platelet"]));
/// assert_eq!((map.network_class(0), map.network_class(1), map.network_class(2)), (Some(1), Some(0), None));
/// assert_eq!(map.dataset_class(1), Some(0));
/// assert!(map.to_string().contains("`wbc` is taken for `WBC`"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassMap {
    network: Vec<String>,
    dataset: Vec<String>,
    matched_by: MatchedBy,
    /// By class of the dataset.
    of_dataset: Vec<Option<usize>>,
    /// By class of the network.
    of_network: Vec<Option<usize>>,
    /// Classes of the dataset whose name is written otherwise in the network.
    respelled: Vec<usize>,
    /// Classes of the dataset that more than one of the network could be, or that could be one and the same.
    ambiguous: Vec<usize>,
}

impl ClassMap {
    /// Matches the names of a network's classes with those of a dataset's, each in the order of its numbers.
    pub fn new(network: &[String], dataset: &[String]) -> Self {
        let same_count = network.len() == dataset.len();
        if same_count && network.iter().zip(dataset).all(|(a, b)| a.trim() == b.trim()) {
            return Self::by_position(network, dataset, MatchedBy::Name);
        }
        let numbers =
            [network, dataset].map(|names| names.iter().map(|name| number(name)).collect::<Option<Vec<_>>>());
        let counted = numbers.iter().flatten().filter(|numbers| counts_up(numbers)).count() == 2;
        if same_count && counted {
            return Self::by_position(network, dataset, MatchedBy::Number);
        }
        let named = Self::by_name(network, dataset);
        let only_numbers = numbers.iter().any(Option::is_some);
        if same_count && only_numbers && named.shared() == 0 && named.ambiguous.is_empty() {
            return Self::by_position(network, dataset, MatchedBy::Number);
        }
        named
    }

    /// Matches the classes of both sides by their numbers where there are as many and no name tells more: a dataset whose
    /// names were translated. Whether that is meant only a person knows, so it has to be said.
    pub fn in_order(&self) -> Option<Self> {
        let nothing_told = self.shared() == 0 && self.ambiguous.is_empty();
        let same_count = self.network.len() == self.dataset.len();
        (nothing_told && same_count)
            .then(|| Self::by_position(&self.network, &self.dataset, MatchedBy::Order))
    }

    fn by_position(network: &[String], dataset: &[String], matched_by: MatchedBy) -> Self {
        let positions: Vec<_> = (0..dataset.len()).map(Some).collect();
        Self {
            network: network.to_vec(),
            dataset: dataset.to_vec(),
            matched_by,
            of_network: positions.clone(),
            of_dataset: positions,
            respelled: Vec::new(),
            ambiguous: Vec::new(),
        }
    }

    fn by_name(network: &[String], dataset: &[String]) -> Self {
        let mut map = Self {
            network: network.to_vec(),
            dataset: dataset.to_vec(),
            matched_by: MatchedBy::Name,
            of_dataset: vec![None; dataset.len()],
            of_network: vec![None; network.len()],
            respelled: Vec::new(),
            ambiguous: Vec::new(),
        };
        for spelling in [str::to_owned, |name: &str| name.trim().to_owned(), loose] {
            let theirs = free(&map.network, &map.of_network, spelling);
            let ours = free(&map.dataset, &map.of_dataset, spelling);
            for (name, of_dataset) in &ours {
                let (Some([theirs]), [ours]) = (theirs.get(name).map(Vec::as_slice), of_dataset.as_slice())
                else {
                    continue;
                };
                map.of_dataset[*ours] = Some(*theirs);
                map.of_network[*theirs] = Some(*ours);
            }
        }
        let theirs = free(&map.network, &map.of_network, loose);
        let left = free(&map.dataset, &map.of_dataset, loose);
        let unclear = left.into_iter().filter(|(name, _)| theirs.contains_key(name));
        map.ambiguous = unclear.flat_map(|(_, classes)| classes).collect();
        map.ambiguous.sort_unstable();
        let respelled = |class: &usize| {
            map.of_dataset[*class].is_some_and(|of| map.network[of].trim() != map.dataset[*class].trim())
        };
        map.respelled = (0..dataset.len()).filter(respelled).collect();
        map
    }

    /// Names of the network's classes, by number.
    pub fn network(&self) -> &[String] {
        &self.network
    }

    /// Names of the dataset's classes, by number.
    pub fn dataset(&self) -> &[String] {
        &self.dataset
    }

    /// What the classes were matched by.
    pub const fn matched_by(&self) -> MatchedBy {
        self.matched_by
    }

    /// The network's class that is class `dataset` of the dataset; `None` if the network has none, or there is no such class.
    pub fn network_class(&self, dataset: usize) -> Option<usize> {
        self.of_dataset.get(dataset).copied().flatten()
    }

    /// The dataset's class that is class `network` of the network; `None` if the dataset has none, or there is no such class.
    pub fn dataset_class(&self, network: usize) -> Option<usize> {
        self.of_network.get(network).copied().flatten()
    }

    /// How many classes both have.
    pub fn shared(&self) -> usize {
        self.of_dataset.iter().flatten().count()
    }

    /// Classes of the dataset that are none of the network's.
    pub fn missing(&self) -> impl Iterator<Item = usize> {
        (0..self.dataset.len()).filter(|class| self.of_dataset[*class].is_none())
    }

    /// Classes of the network that are none of the dataset's.
    pub fn surplus(&self) -> impl Iterator<Item = usize> {
        (0..self.network.len()).filter(|class| self.of_network[*class].is_none())
    }

    /// Names of classes of the dataset that cannot be told apart by name, on one side or the other.
    pub fn ambiguous(&self) -> impl Iterator<Item = &str> {
        self.ambiguous.iter().map(|class| self.dataset[*class].as_str())
    }

    /// Whether both have the same classes under the same numbers, by whatever they were matched.
    pub fn keeps_numbers(&self) -> bool {
        self.network.len() == self.dataset.len()
            && self.of_dataset.iter().enumerate().all(|(i, of)| *of == Some(i))
    }

    /// Whether nothing has to be said: the same names in the same order.
    pub fn is_plain(&self) -> bool {
        self.matched_by == MatchedBy::Name && self.respelled.is_empty() && self.keeps_numbers()
    }
}

/// What was matched with what, in one line.
impl fmt::Display for ClassMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, dataset, .. } = self;
        let reason = match self.matched_by {
            MatchedBy::Name => None,
            MatchedBy::Number => Some("the names of one side are only numbers"),
            MatchedBy::Order => Some("no class of the dataset has the name of one of the network's"),
        };
        if let Some(reason) = reason {
            let pairs: Vec<_> =
                network.iter().zip(dataset).map(|(a, b)| format!("{} is {}", quoted(b), quoted(a))).collect();
            return write!(
                f,
                "classes are matched by number, because {reason}; of the dataset's classes, as the network calls them: {}",
                listed(&pairs)
            );
        }
        if self.keeps_numbers() {
            write!(f, "classes are the same in network and dataset, in the same order ({})", dataset.len())?;
        } else if self.shared() == 0 {
            let ours = chosen(dataset, 0..dataset.len());
            let theirs = chosen(network, 0..network.len());
            write!(
                f,
                "no class of the dataset is one of the network's: the dataset has {ours}, the network {theirs}"
            )?;
        } else {
            let pairs: Vec<_> = (0..dataset.len())
                .filter_map(|class| Some((class, self.of_dataset[class]?)))
                .map(|(class, of)| format!("{} {class} from {of}", quoted(&dataset[class])))
                .collect();
            let pairs = listed(&pairs);
            if self.shared() == dataset.len() && dataset.len() == network.len() {
                write!(f, "classes are matched by name, the network has them in another order: {pairs}")?;
            } else {
                write!(f, "classes are matched by name, {} in both: {pairs}", self.shared())?;
            }
        }
        if self.shared() > 0 {
            if self.missing().next().is_some() {
                write!(f, "; only in the dataset: {}", chosen(dataset, self.missing()))?;
            }
            if self.surplus().next().is_some() {
                write!(f, "; only in the network: {}", chosen(network, self.surplus()))?;
            }
        }
        if !self.respelled.is_empty() {
            let taken: Vec<_> = self
                .respelled
                .iter()
                .filter_map(|class| Some((&dataset[*class], &network[self.of_dataset[*class]?])))
                .map(|(ours, theirs)| format!("{} is taken for {}", quoted(ours), quoted(theirs)))
                .collect();
            write!(f, "; {}", listed(&taken))?;
        }
        if !self.ambiguous.is_empty() {
            let mut unclear: Vec<_> = self.ambiguous().map(quoted).collect();
            unclear.dedup();
            write!(f, "; not matched, because it stands more than once: {}", listed(&unclear))?;
        }
        Ok(())
    }
}

/// As results are written: both lists, and for each class of the dataset that of the network or null.
impl Serialize for ClassMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            matched_by: MatchedBy,
            dataset: &'a [String],
            network: &'a [String],
            network_classes: &'a [Option<usize>],
            note: String,
        }
        let Self { matched_by, dataset, network, of_dataset, .. } = self;
        View {
            matched_by: *matched_by,
            dataset,
            network,
            network_classes: of_dataset,
            note: self.to_string(),
        }
        .serialize(serializer)
    }
}

/// Classes that are not matched yet, by how their names read; equal ones together.
fn free(
    names: &[String],
    matched: &[Option<usize>],
    spelling: fn(&str) -> String,
) -> HashMap<String, Vec<usize>> {
    let mut free: HashMap<String, Vec<usize>> = HashMap::new();
    for (class, name) in names.iter().enumerate().filter(|(class, _)| matched[*class].is_none()) {
        free.entry(spelling(name)).or_default().push(class);
    }
    free
}

/// A name without regard to case and to how much space is where.
fn loose(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The number of a name that is only a number.
fn number(name: &str) -> Option<u64> {
    let name = loose(name);
    let bare = MADE_UP.iter().find_map(|word| name.strip_prefix(word)).unwrap_or(&name);
    let digits = bare.trim_start_matches(['_', '-', ' ']);
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// Whether these are the numbers of their places, from 0 or from 1.
fn counts_up(numbers: &[u64]) -> bool {
    let first = numbers.first().copied().unwrap_or_default();
    first <= 1 && (first..).zip(numbers).all(|(place, number)| place == *number)
}

/// A name of somebody else's in a message: what a terminal would act on is written out.
fn quoted(name: &str) -> String {
    format!("`{}`", name.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\""))
}

/// The names of some classes.
fn chosen(names: &[String], classes: impl Iterator<Item = usize>) -> String {
    listed(&classes.map(|class| quoted(&names[class])).collect::<Vec<_>>())
}

fn listed(parts: &[String]) -> String {
    match parts.len().checked_sub(LISTED) {
        Some(more) if more > 0 => format!("{} and {more} more", parts[..LISTED].join(", ")),
        _ => parts.join(", "),
    }
}
