//! [`class_weights`]: the weights of the classes in the loss of a training, from the objects of its images.

use bonsai_data::{Split, Statistics};
use bonsai_yolov8::ClassWeights;

/// Longest list of classes in a note.
const LISTED: usize = 8;

/// The weights for a power of the inverse class frequencies; `None` for power 0.
pub(crate) fn class_weights(train: &Split, power: f64) -> Option<ClassWeights> {
    if power == 0.0 {
        return None;
    }
    let objects: Vec<usize> = Statistics::of(train).classes.iter().map(|class| class.objects).collect();
    Some(ClassWeights::inverse_frequency(&objects, power))
}

/// A line that names the weights.
pub(crate) fn announce(weights: &ClassWeights, class_names: &[String]) -> String {
    let pairs = class_names.iter().zip(weights.as_slice());
    let mut parts: Vec<_> = pairs.take(LISTED).map(|(name, weight)| format!("{name} {weight:.3}")).collect();
    if class_names.len() > LISTED {
        parts.push(format!("and {} more", class_names.len() - LISTED));
    }
    format!("weights of the classes in the loss: {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use bonsai_boxes::Cxcywh;
    use bonsai_data::{Label, Sample};

    use super::*;

    #[test]
    fn objects_of_the_training_images_are_counted() {
        let bbox = Cxcywh { cx: 0.5, cy: 0.5, w: 0.1, h: 0.1 };
        let sample = |classes: &[usize]| Sample {
            image_path: "a.png".into(),
            size: (10, 10),
            labels: classes.iter().map(|class_id| Label { class_id: *class_id, bbox }).collect(),
        };
        let class_names = ["cell", "plate"].map(str::to_owned).to_vec();
        let train = Split { samples: vec![sample(&[0, 0, 1]), sample(&[]), sample(&[0])], class_names };
        assert_eq!(class_weights(&train, 0.0), None);
        let weights = class_weights(&train, 1.0).unwrap();
        // 1/3 and 1, divided by their mean 2/3.
        assert_eq!(weights.as_slice(), [0.5, 1.5]);
        let line = announce(&weights, &train.class_names);
        assert_eq!(line, "weights of the classes in the loss: cell 0.500, plate 1.500");
        let names: Vec<String> = (0..10).map(|i| i.to_string()).collect();
        let many = ClassWeights::inverse_frequency(&[1; 10], 1.0);
        assert!(announce(&many, &names).ends_with("7 1.000, and 2 more"));
    }
}
