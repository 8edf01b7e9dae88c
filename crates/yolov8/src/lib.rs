#![doc = include_str!("../README.md")]

mod assigner;
mod build;
mod ciou;
mod class_weights;
mod decode;
mod distill;
mod distribution;
mod feature_imitation;
mod gradient;
mod grid;
mod head;
mod init;
mod loss;
mod nms;
mod sigmoid;
mod split_loss;
mod target;
mod transfer;

pub use assigner::{Positive, assign};
pub use build::{REG_MAX, STRIDES, Scale, build};
pub use class_weights::ClassWeights;
pub use decode::{ImagePredictions, Predictions, decode};
pub use distill::{AnchorWeight, DistillError, DistillGains, DistillItems, DistillOutput, distillation_loss};
pub use feature_imitation::{FeatureMap, ImitationConfig, ImitationError, ImitationOutput, imitate_features};
pub use gradient::{LevelGradient, add_gradients};
pub use head::{HeadError, HeadOutput, LevelOutput};
pub use init::init;
pub use loss::{LossGains, LossItems, LossOutput, detection_loss, weighted_detection_loss};
pub use nms::{NmsOptions, nms};
pub use split_loss::{SplitLoss, SplitLossOutput};
pub use target::Target;
pub use transfer::with_classes;
