//! [`matched`] and [`for_dataset`]: the classes of a network and of a dataset, matched by name.
//!
//! Metrics cover the classes that both have. Detections of other classes are left out before suppression: the
//! dataset does not label such objects, so a detection of them cannot be evaluated. For example, a network
//! for eighty classes is evaluated on persons and cars only, and its detections of dogs do not count as
//! errors. Objects of classes that the network does not have are left out too, and their number is reported.

use std::fmt;

use anyhow::Result;
use bonsai_boxes::Detection;
use bonsai_checkpoint::Checkpoint;
use bonsai_data::Split;
use bonsai_graph::{ClassMap, MatchedBy};
use bonsai_yolov8::{Target, with_classes};

use crate::Progress;

/// The classes of a network and of a dataset cannot be matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignClasses(Box<ClassMap>);

impl fmt::Display for ForeignClasses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; ", self.0)?;
        if self.0.ambiguous().next().is_some() {
            return f.write_str("give every class a unique name in `names` of the dataset file");
        }
        let network = self.0.network().len();
        let dataset = self.0.dataset().len();
        write!(
            f,
            "the dataset has {dataset} classes, the network {network}: check that this is the right dataset"
        )
    }
}

impl std::error::Error for ForeignClasses {}

/// Matches the classes of a network and a dataset by name; or by number, if both have the same number of
/// classes and share no name.
///
/// # Errors
/// [`ForeignClasses`] if no name is shared and the numbers of classes differ, or if a name occurs more than
/// once and the two lists differ.
pub fn matched(network: &[String], dataset: &[String]) -> Result<ClassMap, ForeignClasses> {
    let classes = ClassMap::new(network, dataset);
    let classes = classes.in_order().unwrap_or(classes);
    if classes.shared() == 0 || classes.ambiguous().next().is_some() {
        return Err(ForeignClasses(Box::new(classes)));
    }
    Ok(classes)
}

/// Detections with the dataset's class numbers, without those of classes that the dataset does not have.
pub fn in_dataset(found: Vec<Detection>, classes: &ClassMap) -> Vec<Detection> {
    let own = |d: Detection| Some(Detection { class_id: classes.dataset_class(d.class_id)?, ..d });
    found.into_iter().filter_map(own).collect()
}

/// Targets with the network's class numbers, without those of classes that the network does not have.
pub fn in_network(targets: Vec<Target>, classes: &ClassMap) -> Vec<Target> {
    let own = |t: Target| Some(Target { class_id: classes.network_class(t.class_id)?, ..t });
    targets.into_iter().filter_map(own).collect()
}

/// For each class of the dataset, the number of objects in a split that are ignored because the network lacks
/// their class.
pub fn left_out(split: &Split, classes: &ClassMap) -> Vec<usize> {
    let mut objects = vec![0; classes.dataset().len()];
    let labels = split.samples.iter().flat_map(|sample| &sample.labels);
    for label in labels.filter(|label| classes.network_class(label.class_id).is_none()) {
        objects[label.class_id] += 1;
    }
    objects
}

/// Changes a network's class outputs to the dataset's classes in the dataset's order, before a training
/// starts. Reports to `progress` which classes were matched; `origin` is the name of the network there.
///
/// # Errors
/// If a class branch does not end in a convolution that only it uses.
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

/// What happens to the class outputs, for the user.
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
