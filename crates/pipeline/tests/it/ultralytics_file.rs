//! `.pt` files for Ultralytics: which of them its `train` can build again, and what a pruned network computes.

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Size;
use bonsai_pipeline::{Importance, PrunePolicy};
use bonsai_prune::{PruneOptions, PruneServices, ScoreConfig, prune};
use bonsai_stages::ultralytics_parity;
use bonsai_testkit::random_weights;
use bonsai_yolov8::{Scale, build};

#[test]
fn only_regular_widths_can_be_built_again() {
    let model = build(Scale::N, &["leaf".to_owned(), "twig".to_owned()]).unwrap();
    let weights = random_weights(3, model.graph());
    let mut network = Checkpoint::new(model, weights).unwrap();
    network.metadata.insert("imgsz".to_owned(), "64".to_owned());
    let file = network.to_ultralytics().unwrap();
    assert!(file.can_be_rebuilt && !file.was_folded && file.added_channels == 0);
    assert!(ultralytics_parity(&network, &file.bytes).unwrap().boxes > 0);

    let folded = network.clone().fold_batch_norm().unwrap();
    let file = folded.to_ultralytics().unwrap();
    assert!(file.was_folded);
    assert!(ultralytics_parity(&folded, &file.bytes).unwrap().agrees);

    let score = ScoreConfig { importance: Importance::Random { seed: 1 }, ..ScoreConfig::default() };
    let options = PruneOptions {
        score,
        policy: PrunePolicy { prune_ratio: 0.5, round_to: None, ..PrunePolicy::default() },
        compensate: true,
        reconstruct: 0,
        image: Size::square(64),
    };
    let services = PruneServices { gradients: None, latency: None, activations: None };
    let pruned = prune(&network, &options, services).unwrap().checkpoint;
    let file = pruned.to_ultralytics().unwrap();
    assert!(!file.can_be_rebuilt && file.added_channels > 0, "{}", file.added_channels);
    assert!(ultralytics_parity(&pruned, &file.bytes).unwrap().agrees);
    // The file of another network is found out.
    let other = Checkpoint::new(network.model.clone(), random_weights(4, network.model.graph())).unwrap();
    let error = ultralytics_parity(&network, &other.to_ultralytics().unwrap().bytes).unwrap_err().to_string();
    assert!(error.contains("differ") && error.contains("was not written"), "{error}");
}
