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

// Four neighbouring channels. Views begin at whole segments, so their addresses are multiples of four values.
__device__ __forceinline__ float4 load4(const float* at) { return *(const float4*)at; }
__device__ __forceinline__ void store4(float* at, float4 v) { *(float4*)at = v; }
__device__ __forceinline__ float4 add4(float4 a, float4 b) {
    return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}
// bf16 is the upper half of an f32.
__device__ __forceinline__ float from_bf16(unsigned short v) { return __uint_as_float((unsigned)v << 16); }
// Rounds to the nearest value, ties to even; NaN stays NaN.
__device__ __forceinline__ unsigned short to_bf16(float v) {
    const unsigned bits = __float_as_uint(v);
    return (unsigned short)(v != v ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// Pixels of a tensor: channel c of pixel p is value p * ld + c, in f32 or, if `half` is set, in bf16. All threads of a grid
// take the same branch. The same as RowsArg in step.rs.
struct Rows {
    void* at;
    int ld, half;

    struct alignas(8) Four {
        unsigned short v[4];
    };
    __device__ __forceinline__ explicit operator bool() const { return at != nullptr; }
    __device__ __forceinline__ size_t place(size_t pixel, int channel) const { return pixel * ld + channel; }
    __device__ __forceinline__ float load(size_t place) const {
        return half ? from_bf16(((const unsigned short*)at)[place]) : ((const float*)at)[place];
    }
    __device__ __forceinline__ void store(size_t place, float v) const {
        if (half) ((unsigned short*)at)[place] = to_bf16(v);
        else ((float*)at)[place] = v;
    }
    // Stores a value, or adds it to the value that is there.
    __device__ __forceinline__ void put(size_t place, float v, int accumulate) const {
        store(place, accumulate ? load(place) + v : v);
    }
    // Four neighbouring channels.
    __device__ __forceinline__ float4 load4(size_t place) const {
        if (!half) return ::load4((const float*)at + place);
        const Four four = *(const Four*)((const unsigned short*)at + place);
        return make_float4(from_bf16(four.v[0]), from_bf16(four.v[1]), from_bf16(four.v[2]), from_bf16(four.v[3]));
    }
    __device__ __forceinline__ void store4(size_t place, float4 v) const {
        if (half) *(Four*)((unsigned short*)at + place) = Four{{to_bf16(v.x), to_bf16(v.y), to_bf16(v.z), to_bf16(v.w)}};
        else ::store4((float*)at + place, v);
    }
};

template <class F> __device__ __forceinline__ float4 map4(float4 v, F f) {
    return make_float4(f(v.x, 0), f(v.y, 1), f(v.z, 2), f(v.w, 3));
}

// Sizes of a sliding window over images; the same as WindowArg in step.rs.
struct Window {
    int n, ih, iw, ic, oh, ow, oc, kh, kw, sh, sw, ph, pw;
};
