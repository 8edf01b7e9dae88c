// All kernels of CudaExecutor, compiled as one module. One source serves nvcc and the driver on the host
// (scripts/cuda-on-host).
//
// Tensors are NHWC rectangles (`Rows`). Channels are padded to whole segments of 16, and padding is zero; only dense images
// may have another number of channels. Weights are [tap][in][out].
// Sums have a fixed order, so the same input gives the same bits on the same GPU.
#include "pointwise.cuh"
#include "norm.cuh"
#include "sums.cuh"
#include "spatial.cuh"
#include "weights.cuh"
#include "conv_forward.cuh"
#include "conv_input.cuh"
#include "conv_weight.cuh"
#include "depthwise.cuh"
#include "layout.cuh"
#include "head.cuh"
#include "optimiser.cuh"
