// Launch shape, indices of values, and functions on single values and groups of four.
#pragma once

// Threads of every block.
constexpr int THREADS = 256;

// Index of the thread in the grid, and number of threads of the grid; kernels over values step by the second.
__device__ __forceinline__ size_t first_value() { return (size_t)blockIdx.x * THREADS + threadIdx.x; }
__device__ __forceinline__ size_t value_step() { return (size_t)gridDim.x * THREADS; }

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
__device__ __forceinline__ float silu(float x) { return x * sigmoid(x); }
__device__ __forceinline__ float silu_slope(float x) {
    const float s = sigmoid(x);
    return x * s * (1.0f - s) + s;
}

// 1 / sqrt(variance + eps); 0 instead of infinity, so that a constant channel is normalised to 0.
__device__ __forceinline__ double inverse_deviation(double variance, float eps) {
    const double square = variance + (double)eps;
    return square == 0.0 ? 0.0 : 1.0 / sqrt(square);
}

// Four neighbouring channels. Views begin at whole segments, so their addresses are multiples of 16 bytes.
__device__ __forceinline__ float4 load4(const float* at) { return *(const float4*)at; }
__device__ __forceinline__ void store4(float* at, float4 v) { *(float4*)at = v; }
__device__ __forceinline__ float4 add4(float4 a, float4 b) {
    return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}
template <class F> __device__ __forceinline__ float4 map4(float4 v, F f) {
    return make_float4(f(v.x, 0), f(v.y, 1), f(v.z, 2), f(v.w, 3));
}

// Sizes of a sliding window over images; the same as WindowArg in step.rs.
struct Window {
    int n, ih, iw, ic, oh, ow, oc, kh, kw, sh, sw, ph, pw;
};
