//! [`examples`]: images on which two networks disagree, with their labels and the detections of both.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bonsai_boxes::{Detection, GroundTruth, Xyxy};
use bonsai_data::{RgbImage, Split, decode};
use bonsai_detector::{DetectOptions, Detector, draw_detections, draw_missed};
use bonsai_graph::ClassMap;
use bonsai_stages::in_dataset;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize, thumbnail};

/// Number of images, from the start of the split, that are searched for disagreement.
const SEARCHED: usize = 200;
/// Number of images that are shown for their disagreement; the seed selects one more.
const SHOWN: usize = 2;
/// Longer side of a picture in the report, in pixels; and JPEG quality, which gives about fifteen kilobytes.
const SIDE: u32 = 480;
const QUALITY: u8 = 80;
/// Boxes of one object have an IoU above this.
const SAME: f32 = 0.5;

/// An image with the detections of both networks.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// File name of the image.
    pub name: String,
    /// Why it is shown.
    pub why: String,
    /// How the detections differ.
    pub finding: String,
    /// Picture with the labelled objects, as a data URI.
    pub labels: String,
    /// Picture with the detections of the first network and, dashed, the objects that it missed, as a data URI.
    pub before: String,
    /// As `before`, of the second network.
    pub after: String,
}

/// Selects the images on which `before` and `after` disagree most at that confidence, and one by `seed`.
///
/// # Errors
/// If an image cannot be read or a network cannot run.
pub fn examples(
    before: &mut Detector,
    after: &mut Detector,
    split: &Split,
    confidence: f32,
    seed: u64,
) -> Result<Vec<Example>> {
    let samples = &split.samples[..split.samples.len().min(SEARCHED)];
    let config = |detector: &Detector| DetectOptions { confidence, ..detector.config() };
    let classes = [&*before, &*after].map(|of| ClassMap::new(of.class_names(), &split.class_names));
    let mut seen = Vec::with_capacity(samples.len());
    for (i, sample) in samples.iter().enumerate() {
        let image = decode(&sample.image_path)?;
        let a = config(before);
        let b = config(after);
        let found = [
            in_dataset(before.detect(&image, &a)?, &classes[0]),
            in_dataset(after.detect(&image, &b)?, &classes[1]),
        ];
        seen.push((disagreement(&found), i, found));
    }
    seen.sort_by_key(|(differences, i, _)| (std::cmp::Reverse(*differences), *i));
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    let by_seed = (seed % seen.len() as u64) as usize;
    let mut shown: Vec<(&str, usize)> = ["Largest disagreement", "Second largest"]
        .into_iter()
        .zip(0..SHOWN)
        .filter(|(_, place)| seen.get(*place).is_some_and(|(differences, ..)| *differences > 0))
        .collect();
    let drawn = seen.iter().position(|(_, i, _)| *i == by_seed).unwrap_or(0);
    if shown.iter().all(|(_, place)| *place != drawn) {
        shown.push(("Selected by the seed", drawn));
    }
    let example = |(why, place): (&str, usize)| -> Result<Example> {
        let (differences, i, found) = &seen[place];
        let path = &samples[*i].image_path;
        let image = decode(path)?;
        let objects = samples[*i].ground_truth();
        let missed = [0, 1].map(|side| missed(&objects, &found[side]));
        let [before, after] =
            [0, 1].map(|side| picture(&image, &found[side], &missed[side], &split.class_names));
        Ok(Example {
            name: path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            why: why.to_owned(),
            finding: finding(*differences, objects.len(), [missed[0].len(), missed[1].len()]),
            labels: picture(&image, &labelled(&objects), &[], &split.class_names)?,
            before: before?,
            after: after?,
        })
    };
    shown.into_iter().map(example).collect()
}

/// Number of objects of either side that have no counterpart of the same class on the other side.
fn disagreement(found: &[Vec<Detection>; 2]) -> usize {
    let mut free = vec![true; found[1].len()];
    let mut alone = 0;
    for object in &found[0] {
        let fits = |(_, other): &(usize, &Detection)| {
            other.class_id == object.class_id && other.bbox.iou(object.bbox) > SAME
        };
        match found[1].iter().enumerate().filter(|(i, _)| free[*i]).find(fits) {
            Some((i, _)) => free[i] = false,
            None => alone += 1,
        }
    }
    alone + free.iter().filter(|free| **free).count()
}

/// The objects without a detection of the same class.
fn missed(objects: &[GroundTruth], found: &[Detection]) -> Vec<Xyxy> {
    let mut free = vec![true; found.len()];
    let mut missed = Vec::new();
    for object in objects {
        let fits = |(i, other): &(usize, &Detection)| {
            free[*i] && other.class_id == object.class_id && other.bbox.iou(object.bbox) > SAME
        };
        match found.iter().enumerate().find(fits) {
            Some((i, _)) => free[i] = false,
            None => missed.push(object.bbox),
        }
    }
    missed
}

/// Labels in the form of certain detections.
fn labelled(objects: &[GroundTruth]) -> Vec<Detection> {
    let certain =
        |object: &GroundTruth| Detection { bbox: object.bbox, confidence: 1.0, class_id: object.class_id };
    objects.iter().map(certain).collect()
}

fn finding(differences: usize, objects: usize, [before, after]: [usize; 2]) -> String {
    let differ = match differences {
        0 => "Both networks detect the same objects.".to_owned(),
        1 => "Only one of the networks detects one object.".to_owned(),
        n => format!("Only one of the networks detects {n} objects."),
    };
    let noun = if objects == 1 { "object" } else { "objects" };
    format!(
        "{differ} Of {objects} labelled {noun}, the baseline misses {before} and the fine-tuned network {after}."
    )
}

/// Draws the objects into the image at the size of the report; returns a data URI.
fn picture(image: &RgbImage, found: &[Detection], missed: &[Xyxy], class_names: &[String]) -> Result<String> {
    let (w, h) = image.dimensions();
    // Enlarge a small image before drawing: a browser would enlarge the labels too, and they would cover it.
    let scale = f64::from(SIDE) / f64::from(w.max(h));
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    let width = side(w);
    let height = side(h);
    let mut small = if scale < 1.0 {
        thumbnail(image, width, height)
    } else {
        resize(image, width, height, FilterType::Triangle)
    };
    let scaled = |bbox: Xyxy| {
        let [x1, y1, x2, y2] = [bbox.x1, bbox.y1, bbox.x2, bbox.y2].map(|v| v * scale as f32);
        Xyxy { x1, y1, x2, y2 }
    };
    draw_missed(&mut small, &missed.iter().map(|bbox| scaled(*bbox)).collect::<Vec<_>>());
    let found: Vec<Detection> = found.iter().map(|d| Detection { bbox: scaled(d.bbox), ..*d }).collect();
    draw_detections(&mut small, &found, class_names);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode_image(&small)
        .context("cannot write a picture")?;
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_without_a_counterpart_are_counted_on_both_sides() {
        let object = |x: f32, class_id| Detection {
            bbox: Xyxy { x1: x, y1: 0.0, x2: x + 10.0, y2: 10.0 },
            confidence: 0.5,
            class_id,
        };
        let same = [vec![object(0.0, 0), object(50.0, 1)], vec![object(51.0, 1), object(1.0, 0)]];
        assert_eq!(disagreement(&same), 0);
        // One object of another class, one detected twice, and one that only the second network detects.
        let other =
            [vec![object(0.0, 0), object(50.0, 1)], vec![object(50.0, 0), object(0.0, 0), object(0.5, 0)]];
        assert_eq!(disagreement(&other), 3);
    }

    #[test]
    fn an_object_is_missed_unless_a_detection_of_its_class_covers_it() {
        let bbox = |x: f32| Xyxy { x1: x, y1: 0.0, x2: x + 10.0, y2: 10.0 };
        let objects = [(0.0, 0), (1.0, 0), (50.0, 1), (90.0, 1)];
        let objects = objects.map(|(x, class_id)| GroundTruth { bbox: bbox(x), class_id });
        let found = [(0.5, 0), (50.0, 0), (91.0, 1)];
        let found = found.map(|(x, class_id)| Detection { bbox: bbox(x), confidence: 0.5, class_id });
        // One detection covers only one object, and one of another class covers none.
        assert_eq!(missed(&objects, &found), [bbox(1.0), bbox(50.0)]);
        assert_eq!(missed(&objects, &labelled(&objects)), []);
        let said = finding(1, 4, [2, 0]);
        assert!(
            said.ends_with("Of 4 labelled objects, the baseline misses 2 and the fine-tuned network 0."),
            "{said}"
        );
    }

    #[test]
    fn pictures_are_small_and_lie_in_the_page() {
        // A small image is enlarged before labels are drawn.
        for (given, expected) in [((1280, 960), (480, 360)), ((64, 128), (240, 480))] {
            let uri = picture(&RgbImage::new(given.0, given.1), &[], &[], &[]).unwrap();
            let bytes = STANDARD.decode(uri.strip_prefix("data:image/jpeg;base64,").unwrap()).unwrap();
            let picture = image::load_from_memory(&bytes).unwrap();
            assert_eq!((picture.width(), picture.height()), expected);
        }
    }
}
