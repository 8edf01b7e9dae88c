//! YOLOv8: builders, initialisation, head decode, NMS, assigner, loss and distillation.
//!
//! The code after the network works on plain slices, filled by any executor:
//!
//! ```
//! use bonsai_boxes::Cxcywh;
//! use bonsai_yolov8::{HeadOutput, LevelOutput, LossGains, NmsConfig, Target, decode, detection_loss, nms};
//!
//! // One image of 32 x 32 px, 3 classes, one level of 4 x 4 cells; an untrained head with low scores.
//! let (box_logits, cls_logits) = (vec![0.0; 64 * 16], vec![-3.0; 3 * 16]);
//! let level = LevelOutput { box_logits: &box_logits, cls_logits: &cls_logits, h: 4, w: 4, stride: 8 };
//! let head = HeadOutput::new(1, 3, 16, vec![level])?;
//!
//! let bbox = Cxcywh { cx: 0.5, cy: 0.5, w: 0.6, h: 0.4 };
//! let loss = detection_loss(&head, &[Target { image: 0, class_id: 2, bbox }], LossGains::default())?;
//! assert!(loss.total > 0.0);
//! assert_eq!(loss.gradients[0].box_logits.len(), box_logits.len());
//!
//! // Scores are sigmoid(-3), about 0.05: no detections.
//! assert!(nms(&decode(&head), &NmsConfig::PREDICT)[0].is_empty());
//! # Ok::<(), bonsai_yolov8::HeadError>(())
//! ```

mod assigner;
mod build;
mod ciou;
mod decode;
mod distill;
mod distribution;
mod feature_imitation;
mod gradient;
mod head;
mod init;
mod loss;
mod nms;
mod sigmoid;
mod target;
mod transfer;

pub use assigner::{Positive, assign};
pub use build::{REG_MAX, STRIDES, Scale, build};
pub use decode::{ImagePredictions, Predictions, decode};
pub use distill::{AnchorWeight, DistillError, DistillGains, DistillItems, DistillOutput, distillation_loss};
pub use feature_imitation::{
    FeatureMap, ImitationError, ImitationOutput, ImitationSettings, imitate_features,
};
pub use gradient::{LevelGradient, add_gradients};
pub use head::{HeadError, HeadOutput, LevelOutput};
pub use init::init;
pub use loss::{LossGains, LossItems, LossOutput, detection_loss};
pub use nms::{NmsConfig, nms};
pub use target::Target;
pub use transfer::with_classes;
