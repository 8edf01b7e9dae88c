//! [`TrainedOn`]: the record of the data that a training began with, to be compared when it resumes.

use std::path::{Path, PathBuf};

use anyhow::Result;
use bonsai_stages::{Data, ensure_usage, load_json, save_json};
use serde::{Deserialize, Serialize};

use super::TrainDir;
use crate::{Progress, digest_file};

/// The data of a training; the content does not depend on its location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrainedOn {
    /// Path of `data.yaml`.
    #[serde(with = "bonsai_stages::path_text")]
    yaml: PathBuf,
    /// Digest of class names, names and sizes of the images, and labels, but not of their paths.
    content: String,
    /// Number of images to train on and to evaluate on.
    images: [usize; 2],
    /// Number of objects in these images.
    objects: [usize; 2],
    /// Digest of the teacher's file, if there is a teacher.
    #[serde(default)]
    teacher: Option<String>,
}

impl TrainedOn {
    /// # Errors
    /// If an image or the teacher cannot be read.
    pub(crate) fn new(data: &Data, teacher: Option<&Path>) -> Result<Self> {
        let splits = [&data.train, &data.val];
        Ok(Self {
            yaml: data.yaml.clone(),
            content: data.content_digest()?,
            images: splits.map(|split| split.samples.len()),
            objects: splits.map(|split| split.samples.iter().map(|sample| sample.labels.len()).sum()),
            teacher: teacher.map(digest_file).transpose()?,
        })
    }

    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn save(&self, dir: &TrainDir) -> Result<()> {
        save_json(&dir.data(), self)
    }

    /// Compares the data with those that the training in `dir` began with. Different data are an error,
    /// unless the user named them (`is_named`); then they give a warning.
    ///
    /// # Errors
    /// If the data or the teacher differ; the error describes both and says what to do.
    pub(crate) fn compare(&self, dir: &TrainDir, is_named: bool, progress: &mut dyn Progress) -> Result<()> {
        if !dir.data().is_file() {
            progress.note("warning: the data that this training began with are not recorded, so they cannot be compared");
            return Ok(());
        }
        let before: Self = load_json(&dir.data())?;
        if let (Some(before), Some(now)) = (&before.teacher, &self.teacher) {
            ensure_usage!(
                before == now,
                "the teacher's file is not the one that this training began with (SHA-256 {before}, now {now}): restore \
                 that file, or start a new training"
            );
        }
        if before.content == self.content {
            return Ok(());
        }
        let differs = format!(
            "{} is not the data that this training began with: {}; now {}",
            self.yaml.display(),
            before.words(),
            self.words()
        );
        ensure_usage!(
            is_named,
            "{differs} (names and sizes of images, labels and class names are compared); restore the data, or pass \
             `--data {}` to continue with the data as they are now",
            self.yaml.display()
        );
        progress.note(&format!("warning: {differs}; it continues with the data that --data names"));
        Ok(())
    }

    fn words(&self) -> String {
        let [train, val] = self.images;
        let [in_train, in_val] = self.objects;
        let kind = &self.content[..self.content.len().min(8)];
        format!(
            "{train} images with {in_train} objects to train on, {val} with {in_val} to evaluate on (digest {kind})"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use bonsai_data::shapes::ShapesConfig;
    use bonsai_data::{Label, Split};

    use super::*;
    use crate::Quiet;
    use bonsai_stages::{draw_dataset, open_dataset};

    fn drawn(folder: &Path) -> Data {
        let config = ShapesConfig { train: 2, val: 1, test: 0, imgsz: 32, ..ShapesConfig::default() };
        open_dataset(&draw_dataset(&config, folder).unwrap(), &mut Quiet).unwrap()
    }

    #[test]
    fn the_same_data_elsewhere_is_the_same_and_another_label_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let here = drawn(&folder.path().join("here"));
        let there = drawn(&folder.path().join("there/it/is"));
        let dir = TrainDir::claim(folder.path(), "train", false).unwrap();
        let now = TrainedOn::new(&there, None).unwrap();
        now.compare(&dir, false, &mut Quiet).unwrap();
        TrainedOn::new(&here, None).unwrap().save(&dir).unwrap();
        now.compare(&dir, false, &mut Quiet).unwrap();

        let mut samples = there.train.samples.clone();
        let label: Label = samples[0].labels[0];
        samples[0].labels[0] = Label { class_id: (label.class_id + 1) % 4, ..label };
        let train = Arc::new(Split { samples, class_names: there.train.class_names.clone() });
        let other = TrainedOn::new(&Data { train, ..there }, None).unwrap();
        let error = other.compare(&dir, false, &mut Quiet).unwrap_err();
        assert!(crate::is_misuse(&error) && error.to_string().contains("--data"), "{error}");
        other.compare(&dir, true, &mut Quiet).unwrap();
    }
}
