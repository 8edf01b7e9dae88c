//! Tests of writing: files are replaced completely or not at all, and errors name the path.

use std::fs;

use bonsai_checkpoint::{Checkpoint, Weights, write_file};

use crate::{assert_names, chain, deployed, trained};

#[test]
fn a_failing_save_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    // A folder has the name of the file: the new bytes are written next to it, but cannot replace it.
    let target = folder.path().join("best.safetensors");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("inside"), "old").unwrap();
    let message = chain(&deployed(0).save(&target).unwrap_err());
    assert_names(&message, &["cannot replace", &target.display().to_string()]);
    assert_eq!(fs::read_to_string(target.join("inside")).unwrap(), "old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half-written is left");
}

#[test]
fn a_checkpoint_that_is_refused_does_not_touch_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    trained(0).save(&path).unwrap();
    let mut broken = trained(1);
    broken.weights = Weights::new();
    assert!(broken.save(&path).is_err());
    assert_eq!(Checkpoint::load(&path).unwrap(), trained(0));
}

#[test]
fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/such/folder/last.safetensors");
    let message = chain(&deployed(0).save(&path).unwrap_err());
    assert_names(&message, &["cannot create a file beside", &path.display().to_string()]);
    assert!(!folder.path().join("no").exists());
}

#[test]
fn what_cannot_be_loaded_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let shown = path.display().to_string();
    assert_names(&chain(&Checkpoint::load(&path).unwrap_err()), &["cannot read", &shown]);
    fs::write(&path, "text").unwrap();
    assert_names(&chain(&Checkpoint::load(&path).unwrap_err()), &["cannot load", &shown, "safetensors"]);
    assert_names(&chain(&Checkpoint::load(folder.path()).unwrap_err()), &["cannot read"]);
}

#[test]
fn a_longer_file_is_replaced_by_a_shorter_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes");
    write_file(&path, &[1; 100]).unwrap();
    write_file(&path, b"short").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"short");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn others_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.safetensors");
    deployed(0).save(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
}
