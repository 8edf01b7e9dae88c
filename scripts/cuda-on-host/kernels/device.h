// The part of CUDA C++ that kernels need, as plain C++, so that g++ compiles a kernel's source for the host.
//
// Compiled before every source (build.sh). `fibers.cpp` runs the result. Written from NVIDIA's CUDA C++ programming guide.
#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

// Kernels can ask whether they are compiled for the host.
#define CUDA_ON_HOST

// candle asks for features by this number. Below 530 its kernels leave out half precision, which this project does not
// compute on the device through candle.
#define __CUDA_ARCH__ 520

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
// Each thread of the host has its own copy, which `fibers.cpp` finds and poisons before each block.
#define __shared__ static thread_local

using std::isinf;
using std::isnan;
using std::signbit;

struct dim3 {
    unsigned x, y, z;
};

namespace host {
// Threads in a warp.
constexpr int WARP = 32;
// Bytes that a lane can show to its warp.
constexpr size_t SHOWN = 64;

// Indices and sizes of the running thread, its block and its grid.
extern dim3 thread, block, block_dim, grid_dim;

// Waits until all threads of the block that still run wait too.
void barrier();

// What the lanes of one warp showed at one warp operation.
struct Shown {
    unsigned lanes;  // bit i: lane i took part
    alignas(16) char of[WARP][SHOWN];
};

// Shows `bytes` bytes to the warp and waits until all lanes that still run show theirs. The result holds until this
// thread waits again.
const Shown& show(const void* value, size_t bytes);

// Index of the running thread in its warp.
int lane();
}  // namespace host

#define threadIdx host::thread
#define blockIdx host::block
#define blockDim host::block_dim
#define gridDim host::grid_dim
#define warpSize host::WARP

inline void __syncthreads() { host::barrier(); }
inline void __syncwarp(unsigned = 0xffffffffu) { host::show(nullptr, 0); }
inline void __threadfence() {}
inline void __threadfence_block() {}

namespace host {
// The value of lane `from`; all bits set if that lane did not take part, because the result is then undefined.
template <class T> T shuffled(T value, int from) {
    static_assert(sizeof(T) <= SHOWN);
    const Shown& shown = show(&value, sizeof value);
    T result;
    if (from >= 0 && from < WARP && (shown.lanes >> from & 1)) {
        memcpy(&result, shown.of[from], sizeof result);
    } else {
        memset((void*)&result, 0xff, sizeof result);
    }
    return result;
}

// `from`, or the own lane if `from` is in another segment of `width` lanes.
inline int within_segment(int from, int width) { return from / width == lane() / width && from >= 0 ? from : lane(); }
}  // namespace host

template <class T> T __shfl_sync(unsigned, T value, int from, int width = host::WARP) {
    return host::shuffled(value, host::lane() / width * width + (from & (width - 1)));
}
// Unlike the shifts below, an exchange may read a lane of an earlier segment.
template <class T> T __shfl_xor_sync(unsigned, T value, int mask, int width = host::WARP) {
    const int own = host::lane(), from = own ^ mask;
    return host::shuffled(value, from / width <= own / width ? from : own);
}
template <class T> T __shfl_down_sync(unsigned, T value, unsigned by, int width = host::WARP) {
    return host::shuffled(value, host::within_segment(host::lane() + (int)by, width));
}
template <class T> T __shfl_up_sync(unsigned, T value, unsigned by, int width = host::WARP) {
    return host::shuffled(value, host::within_segment(host::lane() - (int)by, width));
}
inline unsigned __ballot_sync(unsigned mask, bool value) {
    const host::Shown& shown = host::show(&value, sizeof value);
    unsigned result = 0;
    for (int i = 0; i < host::WARP; i++) result |= (unsigned)((shown.lanes >> i & 1) && shown.of[i][0]) << i;
    return result & mask;
}
inline bool __any_sync(unsigned mask, bool value) { return __ballot_sync(mask, value) != 0; }
inline bool __all_sync(unsigned mask, bool value) { return __ballot_sync(mask, !value) == 0; }

#include "atomics.h"
#include "intrinsics.h"
#include "registry.h"
