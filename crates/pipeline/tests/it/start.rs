//! What a training can start from.

use bonsai_pipeline::Progress;
use bonsai_pipeline::stages::start_checkpoint;
use bonsai_testkit::imported;

#[derive(Default)]
struct Notes(Vec<String>);

impl Progress for Notes {
    fn note(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_pt_file_of_a_pruned_network_for_the_same_classes_others_and_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.pt");
    std::fs::write(&path, imported("pruned")).unwrap();
    let path = path.to_string_lossy().into_owned();
    let start = |classes: &[&str]| {
        let mut notes = Notes::default();
        (start_checkpoint(&path, &names(classes), 0, &mut notes).unwrap(), notes.0.join("\n"))
    };
    let (same, notes) = start(&["leaf", "twig", "große Wurzel"]);
    assert!(notes.is_empty(), "{notes}");
    let (renamed, notes) = start(&["a", "b", "c"]);
    assert!(notes.contains(&path) && notes.contains("names are taken"), "{notes}");
    assert!(renamed.weights == same.weights && renamed.model.class_names() == names(&["a", "b", "c"]));
    let (more, notes) = start(&["a", "b", "c", "d"]);
    assert!(notes.contains("3 classes") && notes.contains('4') && notes.contains("start anew"), "{notes}");
    // Still pruned.
    let widths = |checkpoint: &bonsai_checkpoint::Checkpoint| {
        checkpoint.weights.get("model.4.cv1.conv.weight").unwrap().shape.clone()
    };
    assert_eq!(widths(&more), widths(&same));
}
