//! Property tests of random networks against the plain-loop forward of the test kit.

use bonsai_exec::Mode;
use bonsai_testkit::{
    RandomGraphConfig, Tolerance, arb_model, assert_arrays_close, random_array, reference_forward,
};
use proptest::prelude::*;

use crate::engines::Engine;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn forward_equals_the_reference(model in arb_model(RandomGraphConfig::default()), seed: u64) {
        let graph = model.checkpoint.model.graph();
        let images = random_array(seed, &[2, 3, model.h, model.w]);
        let weights = &model.checkpoint.weights;
        let expected = [false, true].map(|train| reference_forward(graph, weights, &images, train));
        for engine in Engine::all() {
            let mut executor = engine.start(graph, weights);
            // Evaluation runs first, because a training pass changes the running statistics.
            for (mode, expected) in [Mode::Eval, Mode::Train].into_iter().zip(&expected) {
                let outputs = executor.forward(mode, &images).unwrap();
                for (actual, expected) in outputs.iter().zip(expected) {
                    let what = format!("{engine:?}, {mode:?} of\n{graph}");
                    assert_arrays_close(actual, expected, Tolerance::Close, &what);
                }
            }
        }
    }
}
