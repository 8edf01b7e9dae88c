//! The curves that Ultralytics draws, at six of their thousand positions, for the random boxes (seed 7).
//!
//! The tables are the values that `ap_per_class` of 8.0.90 and 8.4.190 passed to its plot functions (PyTorch
//! 2.15.0, NumPy 2.4.6); the last row of each is the mean over classes.

use bonsai_metrics::{Curve, CurveSet, Curves, DetMetrics, Evaluator, Protocol};

use crate::random_boxes::{fixture, images};

const PLACES: [usize; 6] = [0, 150, 400, 600, 800, 999];

type Table = [[f64; 6]; 4];
type View = fn(&CurveSet) -> &Curve;

/// Precision, recall and F1 over confidence; precision over recall.
struct Expected {
    tables: [Table; 4],
    f1_peak: (usize, f64),
    precision_peak: f64,
}

fn evaluate(protocol: Protocol) -> (DetMetrics, Curves) {
    let (num_classes, images) = images(&fixture());
    let mut evaluator = Evaluator::with_protocol(num_classes, protocol);
    for (detections, labels) in &images {
        evaluator.add_image(detections, labels);
    }
    assert_eq!(evaluator.clone().finish(), evaluator.clone().finish_with_curves().0);
    evaluator.finish_with_curves()
}

fn check(protocol: Protocol, expected: &Expected) {
    let (metrics, curves) = evaluate(protocol);
    let ids: Vec<usize> = curves.per_class.iter().map(|class| class.class_id).collect();
    assert_eq!(ids, [0, 1, 2], "the class without labels has no curves");
    let views: [(&str, View); 4] = [
        ("precision", |c| &c.precision),
        ("recall", |c| &c.recall),
        ("F1", |c| &c.f1),
        ("precision over recall", |c| &c.precision_over_recall),
    ];
    for ((name, view), table) in views.into_iter().zip(&expected.tables) {
        let sets = curves.per_class.iter().map(|class| &class.curves).chain([&curves.mean]);
        for (class, (set, row)) in sets.zip(table).enumerate() {
            for (place, value) in PLACES.into_iter().zip(row) {
                let ours = view(set).values()[place];
                assert!(
                    (ours - value).abs() < 1e-6,
                    "{name}, row {class}, sample {place}: {ours}, not {value}"
                );
            }
        }
    }
    let best = curves.mean.f1.smoothed_peak();
    assert_eq!((best.position, metrics.confidence), (Curve::position(expected.f1_peak.0), best.position));
    assert!((best.value - expected.f1_peak.1).abs() < 1e-6, "{best:?}");
    let peak = curves.mean.precision.smoothed_peak();
    assert!(peak.position == 1.0 && (peak.value - expected.precision_peak).abs() < 1e-6, "{peak:?}");
}

#[test]
fn curves_equal_those_of_ultralytics_80() {
    check(
        Protocol::ULTRALYTICS_80,
        &Expected {
            tables: [
                [
                    [0.395_833_3, 0.387_228_8, 0.453_978_7, 0.538_079_6, 0.503_219_4, 1.0],
                    [0.348_837_2, 0.380_428_8, 0.495_154_4, 0.794_285_1, 0.678_017_6, 1.0],
                    [0.431_034_5, 0.469_040_7, 0.522_160_3, 0.629_966_7, 0.639_202_1, 1.0],
                    [0.391_901_7, 0.412_232_7, 0.490_431_2, 0.654_110_5, 0.606_813_0, 1.0],
                ],
                [
                    [0.791_666_7, 0.684_831_9, 0.625, 0.388_814_4, 0.126_878_0, 0.0],
                    [0.555_555_6, 0.518_518_5, 0.407_407_4, 0.286_771_5, 0.074_074_1, 0.0],
                    [0.833_333_3, 0.833_333_3, 0.733_333_3, 0.454_352_5, 0.295_565_2, 0.0],
                    [0.726_851_9, 0.678_894_6, 0.588_580_2, 0.376_646_1, 0.165_505_8, 0.0],
                ],
                [
                    [0.527_777_8, 0.494_723_1, 0.525_935_7, 0.451_428_3, 0.202_659_0, 0.0],
                    [0.428_571_4, 0.438_867_5, 0.447_015_5, 0.421_399_5, 0.133_556_9, 0.0],
                    [0.568_181_8, 0.600_238_1, 0.609_987_3, 0.527_938_5, 0.404_220_1, 0.0],
                    [0.508_177_0, 0.511_276_2, 0.527_646_2, 0.466_922_1, 0.246_812_0, 0.0],
                ],
                [
                    [0.6, 0.6, 0.555_555_6, 0.454_545_5, 0.378_478_5, 0.0],
                    [1.0, 0.857_142_9, 0.611_111_1, 0.313_482_1, 0.156_348_2, 0.0],
                    [1.0, 0.6875, 0.684_210_5, 0.55, 0.490_196_1, 0.0],
                    [0.866_666_7, 0.714_881_0, 0.616_959_1, 0.439_342_5, 0.341_674_3, 0.0],
                ],
            ],
            f1_peak: (398, 0.521_679_3),
            precision_peak: 0.959_410_9,
        },
    );
}

#[test]
fn curves_equal_those_of_ultralytics_84() {
    check(
        Protocol::ULTRALYTICS_84,
        &Expected {
            tables: [
                [
                    [0.395_833_3, 0.387_228_8, 0.453_978_7, 0.595_819_7, 0.668_812_9, 1.0],
                    [0.348_837_2, 0.380_428_8, 0.495_154_4, 0.897_142_6, 0.678_017_6, 1.0],
                    [0.431_034_5, 0.469_040_7, 0.545_894_9, 0.676_220_8, 0.711_361_7, 1.0],
                    [0.391_901_7, 0.412_232_7, 0.498_342_7, 0.723_061_0, 0.686_064_1, 1.0],
                ],
                [
                    [0.791_666_7, 0.684_831_9, 0.625, 0.430_481_1, 0.168_544_7, 0.0],
                    [0.555_555_6, 0.518_518_5, 0.407_407_4, 0.323_808_6, 0.074_074_1, 0.0],
                    [0.833_333_3, 0.833_333_3, 0.766_666_7, 0.487_685_8, 0.328_898_5, 0.0],
                    [0.726_851_9, 0.678_894_6, 0.599_691_4, 0.413_991_8, 0.190_505_8, 0.0],
                ],
                [
                    [0.527_777_8, 0.494_723_1, 0.525_935_7, 0.499_832_2, 0.269_239_5, 0.0],
                    [0.428_571_4, 0.438_867_5, 0.447_015_5, 0.475_862_5, 0.133_556_9, 0.0],
                    [0.568_181_8, 0.600_238_1, 0.637_714_0, 0.566_683_4, 0.449_821_7, 0.0],
                    [0.508_177_0, 0.511_276_2, 0.536_888_4, 0.514_126_1, 0.284_206_0, 0.0],
                ],
                [
                    [0.75, 0.75, 0.714_285_7, 0.483_871_0, 0.0, 0.0],
                    [1.0, 0.9, 0.611_111_1, 0.0, 0.0, 0.0],
                    [1.0, 0.75, 0.736_842_1, 0.575, 0.5, 0.0],
                    [0.916_666_7, 0.8, 0.687_413_0, 0.352_957_0, 0.166_666_7, 0.0],
                ],
            ],
            f1_peak: (436, 0.538_352_0),
            precision_peak: 0.959_410_9,
        },
    );
}

#[test]
fn without_labels_the_curves_are_flat() {
    let (metrics, curves) = Evaluator::new(3).finish_with_curves();
    assert!(curves.per_class.is_empty());
    assert_eq!((metrics.confidence, &curves.mean), (0.0, &CurveSet::default()));
    assert_eq!(curves.mean.f1.values().len(), 1000);
}
