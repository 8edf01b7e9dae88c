//! Test with a real dataset, BCCD, if it is present.

use std::path::Path;

use bonsai_data::{Dataset, Loader, LoaderConfig, SplitKind};

#[test]
fn bccd_is_read_without_surprises() {
    let yaml = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/bccd/data.yaml");
    if !yaml.exists() {
        println!("skipped: BCCD is not at ../shared/data/bccd beside the repository");
        return;
    }
    let dataset = Dataset::open(&yaml).unwrap();
    assert_eq!(dataset.class_names(), ["RBC", "WBC", "Platelets"]);
    for (split, images) in [(SplitKind::Train, 205), (SplitKind::Val, 87), (SplitKind::Test, 72)] {
        let (samples, scan) = dataset.scan(split).unwrap();
        println!("{split:?}: {} instances, {} backgrounds", scan.instances, scan.backgrounds);
        for warning in &scan.warnings {
            println!("{warning}");
        }
        assert_eq!(scan.images, images);
        if split == SplitKind::Test {
            let loader =
                Loader::new(samples, LoaderConfig { imgsz: 160, ..LoaderConfig::default() }).unwrap();
            let targets: usize = loader.epoch(0).map(|batch| batch.unwrap().targets.len()).sum();
            assert_eq!(targets, scan.instances);
        }
    }
}
