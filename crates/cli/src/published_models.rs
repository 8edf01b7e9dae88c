//! [`MODELS`]: the published sizes of YOLOv8.

/// Names of the models that can be built, untrained.
pub(crate) const MODELS: [&str; 5] = ["yolov8n", "yolov8s", "yolov8m", "yolov8l", "yolov8x"];
