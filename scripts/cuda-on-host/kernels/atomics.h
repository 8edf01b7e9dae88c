// Atomic operations. Only one thread of a grid runs at a time, so plain reads and writes are atomic.
#pragma once

template <class T, class V> T atomicAdd(T* at, V value) {
    const T old = *at;
    *at = old + T(value);
    return old;
}
template <class T, class V> T atomicMax(T* at, V value) {
    const T old = *at;
    if (old < T(value)) *at = T(value);
    return old;
}
template <class T, class V> T atomicMin(T* at, V value) {
    const T old = *at;
    if (T(value) < old) *at = T(value);
    return old;
}
template <class T, class V> T atomicExch(T* at, V value) {
    const T old = *at;
    *at = T(value);
    return old;
}
template <class T, class U, class V> T atomicCAS(T* at, U expected, V value) {
    const T old = *at;
    if (old == T(expected)) *at = T(value);
    return old;
}
