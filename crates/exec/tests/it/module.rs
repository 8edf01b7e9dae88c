//! Test of the executor as a candle module.

use bonsai_exec::{CandleExecutor, Device, Executor, Mode};
use bonsai_testkit::{RandomGraphConfig, random_array, random_model};
use candle_core::{Module, Tensor};

#[test]
fn module_forward_is_the_evaluation_forward() {
    let model = random_model(4, &RandomGraphConfig::default());
    let graph = model.checkpoint.model.graph();
    let mut executor = CandleExecutor::new(graph, &model.checkpoint.weights, Device::Cpu).unwrap();
    let images = random_array(2, &[2, 3, model.h, model.w]);
    let tensor = Tensor::from_slice(images.data(), images.shape(), &candle_core::Device::Cpu).unwrap();
    let joined = Module::forward(&executor, &tensor).unwrap();
    let outputs = Executor::forward(&mut executor, Mode::Eval, &images).unwrap();
    let per_image = |a: &bonsai_checkpoint::Array, n: usize| {
        let len = a.data().len() / a.shape()[0];
        a.data()[n * len..(n + 1) * len].to_vec()
    };
    for n in 0..2 {
        let expected: Vec<f32> = outputs.iter().flat_map(|o| per_image(o, n)).collect();
        assert_eq!(joined.get(n).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap(), expected);
    }
}
