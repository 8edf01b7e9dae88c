// The kernels of a library by name, with the sizes of their arguments. build.sh writes one HOST_KERNEL per kernel.
#pragma once

// Layout shared with src/kernels.rs.
struct HostKernel {
    const char* name;
    void (*call)(void** arguments);
    const size_t* sizes;
    size_t arguments;
};

namespace host {
void add(const HostKernel& kernel);

template <auto F> struct Wrapped;
template <class... A, void (*F)(A...)> struct Wrapped<F> {
    static constexpr size_t sizes[sizeof...(A) + 1] = {sizeof(A)..., 0};
    template <size_t... I> static void unpack(void** at, std::index_sequence<I...>) {
        F(*(std::remove_cv_t<A>*)at[I]...);
    }
    static void call(void** at) { unpack(at, std::index_sequence_for<A...>()); }
    static HostKernel kernel(const char* name) { return {name, call, sizes, sizeof...(A)}; }
};

struct Add {
    explicit Add(const HostKernel& kernel) { add(kernel); }
};
}  // namespace host

#define HOST_KERNEL(name) static host::Add add_##name(host::Wrapped<&name>::kernel(#name));
