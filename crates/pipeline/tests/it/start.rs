//! Tests of [`start_checkpoint`]: the networks that a training can start from.

use bonsai_pipeline::Progress;
use bonsai_stages::start_checkpoint;
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
    // Classes in another order: every class keeps its weights and its name.
    let (turned, notes) = start(&["große Wurzel", "leaf", "twig"]);
    assert!(notes.contains(&path) && notes.contains("another order"), "{notes}");
    let last = "model.22.cv3.1.2.weight";
    let row = |of: &bonsai_checkpoint::Checkpoint, class: usize| {
        let array = of.weights.get(last).unwrap();
        array.data().chunks_exact(array.data().len() / array.shape()[0]).nth(class).unwrap().to_vec()
    };
    for (class, of) in [(0, 2), (1, 0), (2, 1)] {
        assert_eq!(row(&turned, class), row(&same, of));
    }
    // Three new classes: their outputs keep nothing of the old classes.
    let (renamed, notes) = start(&["a", "b", "c"]);
    assert!(notes.contains("no class of the dataset") && notes.contains("start anew"), "{notes}");
    assert_eq!(renamed.model.class_names(), names(&["a", "b", "c"]));
    assert!((0..3).all(|new| (0..3).all(|old| row(&renamed, new) != row(&same, old))));
    let (numbered, notes) = start(&["0", "1", "2"]);
    assert!(notes.contains("by number") && notes.contains("all weights are kept"), "{notes}");
    assert!(numbered.weights == same.weights && numbered.model.class_names() == names(&["0", "1", "2"]));
    let (more, notes) = start(&["a", "b", "twig", "d"]);
    assert!(notes.contains("1 in both") && notes.contains("only in the dataset: `a`, `b`, `d`"), "{notes}");
    assert_eq!(row(&more, 2), row(&same, 1));
    // The network is still pruned.
    let widths = |checkpoint: &bonsai_checkpoint::Checkpoint| {
        checkpoint.weights.get("model.4.cv1.conv.weight").unwrap().shape().to_vec()
    };
    assert_eq!(widths(&more), widths(&same));
}

#[test]
fn a_fused_network_is_not_trained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fused.safetensors");
    let whole = bonsai_checkpoint::Checkpoint::import_bytes(&imported("pruned")).unwrap();
    whole.fold_batch_norm().unwrap().save(&path).unwrap();
    let classes = names(&["leaf", "twig", "große Wurzel"]);
    let error = start_checkpoint(&path.to_string_lossy(), &classes, 0, &mut Notes::default()).unwrap_err();
    assert!(error.to_string().contains("no batch norm") && error.to_string().contains("fused"), "{error}");
}
