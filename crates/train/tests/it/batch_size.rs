//! The size of a batch in a settings file.

use bonsai_train::TrainConfig;

#[test]
fn minus_one_stands_for_a_batch_that_fits() {
    let read = |text: &str| serde_json::from_str::<TrainConfig>(&format!("{{\"batch\": {text}}}"));
    assert_eq!(read("-1").unwrap().batch, TrainConfig::FITTING_BATCH);
    assert_eq!(read("12").unwrap().batch, 12);
    for wrong in ["0", "-2", "0.7"] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains(&format!("batch is {wrong}")) || wrong == "0.7", "{wrong}: {error}");
    }
    for batch in [TrainConfig::FITTING_BATCH, 12] {
        let config = TrainConfig { batch, ..TrainConfig::default() };
        let again: TrainConfig = serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
        assert_eq!(again, config);
    }
    let error = read("-1").unwrap().check().unwrap_err().to_string();
    assert!(error.starts_with("batch is -1, must be from 1 to 65536"), "{error}");
}
