//! Random networks against the plain-loop forward of the test kit.

use bonsai_exec::{CandleExecutor, Device, Executor, Mode};
use bonsai_testkit::{
    RandomGraphConfig, Tolerance, arb_model, assert_arrays_close, random_array, reference_forward,
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn forward_equals_the_reference(model in arb_model(RandomGraphConfig::default()), seed: u64) {
        let graph = model.checkpoint.model.graph();
        let images = random_array(seed, &[2, 3, model.h, model.w]);
        let mut executor = CandleExecutor::new(graph, &model.checkpoint.weights, Device::Cpu).unwrap();
        // Evaluation first: a training pass moves the running statistics.
        for mode in [Mode::Eval, Mode::Train] {
            let outputs = executor.forward(mode, &images).unwrap();
            let expected = reference_forward(graph, &model.checkpoint.weights, &images, mode == Mode::Train);
            for (actual, expected) in outputs.iter().zip(&expected) {
                assert_arrays_close(actual, expected, Tolerance::Close, &format!("{mode:?} of\n{graph}"));
            }
        }
    }
}
