//! Where a network meets a dataset: their classes are matched by name, which is said, or refused where nothing could be meant.
//!
//! Figures are those of the classes that both have. What a network finds of other classes is left out before suppression: the
//! dataset does not mark such objects, so nothing there tells whether they are right, and a network for eighty classes is asked
//! how well it finds persons and cars, not to be silent about dogs. Objects of classes that the network does not have are left
//! out too, and counted in what is said.

use std::fmt;

use anyhow::Result;
use bonsai_boxes::Detection;
use bonsai_checkpoint::Checkpoint;
use bonsai_data::Split;
use bonsai_graph::{ClassMap, MatchedBy};
use bonsai_yolov8::{Target, with_classes};

use crate::Progress;

/// A network and a dataset whose classes cannot be brought together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignClasses(Box<ClassMap>);

impl fmt::Display for ForeignClasses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; ", self.0)?;
        if self.0.ambiguous().next().is_some() {
            return f.write_str("give every class a name of its own in `names` of the dataset file");
        }
        let network = self.0.network().len();
        let dataset = self.0.dataset().len();
        write!(f, "the dataset has {dataset} classes, the network {network}: is it the right dataset?")
    }
}

impl std::error::Error for ForeignClasses {}

/// The classes of a network and a dataset, matched: by number where there are as many on both sides and no name in common.
///
/// # Errors
/// [`ForeignClasses`] if none is shared and there are not as many, or a name of the dataset stands more than once and not in the
/// same list.
pub fn matched(network: &[String], dataset: &[String]) -> Result<ClassMap, ForeignClasses> {
    let classes = ClassMap::new(network, dataset);
    let classes = classes.in_order().unwrap_or(classes);
    if classes.shared() == 0 || classes.ambiguous().next().is_some() {
        return Err(ForeignClasses(Box::new(classes)));
    }
    Ok(classes)
}

/// Detections under the dataset's numbers, without those of classes that it does not have.
pub fn in_dataset(found: Vec<Detection>, classes: &ClassMap) -> Vec<Detection> {
    let own = |d: Detection| Some(Detection { class_id: classes.dataset_class(d.class_id)?, ..d });
    found.into_iter().filter_map(own).collect()
}

/// Targets under the network's numbers, without those of classes that it does not have.
pub fn in_network(targets: Vec<Target>, classes: &ClassMap) -> Vec<Target> {
    let own = |t: Target| Some(Target { class_id: classes.network_class(t.class_id)?, ..t });
    targets.into_iter().filter_map(own).collect()
}

/// By class of the dataset, the objects of a split that take no part, because the network does not have their class.
pub fn left_out(split: &Split, classes: &ClassMap) -> Vec<usize> {
    let mut objects = vec![0; classes.dataset().len()];
    let labels = split.samples.iter().flat_map(|sample| &sample.labels);
    for label in labels.filter(|label| classes.network_class(label.class_id).is_none()) {
        objects[label.class_id] += 1;
    }
    objects
}

/// The network `checkpoint` of `origin` for the dataset's classes in the dataset's order, as every training starts; what was
/// matched with what goes to `progress`.
///
/// # Errors
/// If the class branches do not end in convolutions of their own.
pub fn for_dataset(
    checkpoint: Checkpoint,
    class_names: &[String],
    seed: u64,
    origin: &str,
    progress: &mut dyn Progress,
) -> Result<Checkpoint> {
    if checkpoint.model.class_names() == class_names {
        return Ok(checkpoint);
    }
    let classes = ClassMap::new(checkpoint.model.class_names(), class_names);
    if !classes.is_plain() {
        progress.classes(&format!("{origin}: {classes}{}", consequence(&classes)));
    }
    Ok(with_classes(&checkpoint, &classes, seed)?)
}

/// What becomes of the class outputs.
fn consequence(classes: &ClassMap) -> &'static str {
    if classes.shared() == 0 {
        "; the last convolutions of the class branches start anew"
    } else if classes.missing().next().is_some() {
        "; the class outputs of what is only in the dataset start anew, the others are kept"
    } else if classes.matched_by() == MatchedBy::Number || classes.keeps_numbers() {
        "; the dataset's names are taken, all weights are kept"
    } else {
        "; the class outputs are put into the dataset's order, their weights are kept"
    }
}
