// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <support/buffer.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cuda_runtime.h>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

// Counters of API calls, there when the program runs under ptxrun (weak: the program also runs on a GPU).
extern "C" {
__attribute__((weak)) void ptxrun_mark_begin(const char*);
__attribute__((weak)) void ptxrun_mark_end();
__attribute__((weak)) unsigned long long ptxrun_calls(const char*, const char*);
}

namespace prefer_test {

// What a call writes, as memory.
struct device_bytes {
  void* data;
  std::size_t count;
};

// A copy of a guarded host buffer in device memory; `fetch` copies everything back, guards included.
template <class S>
class device {
 public:
  explicit device(buffer<S>& host) : host_(&host) {
    REQUIRE(cudaMalloc(&bytes_, host.bytes().size()) == cudaSuccess);
    send();
  }
  device(const device&) = delete;
  ~device() { cudaFree(bytes_); }

  void send() {
    REQUIRE(cudaMemcpy(bytes_, host_->bytes().data(), host_->bytes().size(), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  void fetch() {
    REQUIRE(cudaMemcpy(const_cast<unsigned char*>(host_->bytes().data()), bytes_, host_->bytes().size(),
                       cudaMemcpyDeviceToHost) == cudaSuccess);
  }
  S* data() {
    return reinterpret_cast<S*>(static_cast<unsigned char*>(bytes_) +
                                (reinterpret_cast<unsigned char*>(host_->data()) - host_->bytes().data()));
  }
  prefer::view<S, 1, prefer::space::device> view() { return {data(), host_->size(), host_->view().stride[0]}; }
  prefer::view<const S, 1, prefer::space::device> read() { return {data(), host_->size(), host_->view().stride[0]}; }
  device_bytes all() { return {bytes_, host_->bytes().size()}; }

 private:
  buffer<S>* host_;
  void* bytes_ = nullptr;
};

// A vector on the device.
template <class T>
struct device_array {
  T* data = nullptr;
  std::size_t count;
  explicit device_array(std::size_t n) : count(n) { REQUIRE(cudaMalloc(&data, n * sizeof(T) + 1) == cudaSuccess); }
  explicit device_array(const std::vector<T>& from) : device_array(from.size()) {
    REQUIRE(cudaMemcpy(data, from.data(), count * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  device_array(const device_array&) = delete;
  ~device_array() { cudaFree(data); }
  std::vector<T> fetch() const {
    std::vector<T> to(count);
    REQUIRE(cudaMemcpy(to.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    return to;
  }
  device_bytes all() const { return {data, count * sizeof(T)}; }
};

struct stream {
  cudaStream_t handle = nullptr;
  stream() { REQUIRE(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking) == cudaSuccess); }
  ~stream() { cudaStreamDestroy(handle); }
  void wait() { REQUIRE(cudaStreamSynchronize(handle) == cudaSuccess); }
};

// Scratch memory that starts one byte past any alignment.
struct device_workspace {
  void* memory = nullptr;
  std::size_t bytes;
  explicit device_workspace(std::size_t n) : bytes(n) { REQUIRE(cudaMalloc(&memory, n + 1) == cudaSuccess); }
  ~device_workspace() { cudaFree(memory); }
  prefer::workspace get() const { return {static_cast<char*>(memory) + 1, bytes}; }
};

// Enqueues `call` and checks that it neither allocated, nor synchronised, nor copied, and how often it launched. The
// counts of a region add up over the program, hence the differences.
inline constexpr int any_number = -1;
template <class Call>
void enqueues_only(const char* region, int launches, Call call) {
  static const char* const forbidden[] = {"cudaMalloc",        "cudaMallocAsync",       "cudaFree",
                                          "cudaFreeAsync",     "cudaStreamSynchronize", "cudaDeviceSynchronize",
                                          "cudaMemcpy",        "cudaMemcpyAsync",       "cudaEventSynchronize",
                                          "cudaMallocManaged", "cudaHostAlloc"};
  if (ptxrun_mark_begin == nullptr) return call();
  const auto calls = [&](const char* api) { return static_cast<int>(ptxrun_calls(region, api)); };
  std::vector<int> before;
  for (const char* api : forbidden) before.push_back(calls(api));
  const int launched = calls("cudaLaunchKernel");
  ptxrun_mark_begin(region);
  call();
  ptxrun_mark_end();
  std::size_t at = 0;
  for (const char* api : forbidden) {
    INFO(api);
    CHECK(calls(api) == before[at++]);
  }
  const int more = calls("cudaLaunchKernel") - launched;
  CHECK(more == (launches == any_number ? more : launches));
}

// Captures `call` into a graph that can be launched again and again.
template <class Call>
cudaGraphExec_t capture(cudaStream_t s, Call call) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  REQUIRE(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  call();
  REQUIRE(cudaStreamEndCapture(s, &graph) == cudaSuccess);
  REQUIRE(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
  cudaGraphDestroy(graph);
  return executable;
}

// A captured `call` sees what `change` did to its inputs on the device since: replayed, all that it writes has the bits
// of a new call's, and not those of a call before the change. What it writes is wiped before each; it must not read it.
inline void check_replay(const char* algorithm, cudaStream_t s, const std::function<void()>& call,
                         const std::function<void()>& change, const std::vector<device_bytes>& written) {
  const auto written_by = [&](const std::function<void()>& launch) {
    for (const device_bytes& w : written) REQUIRE(cudaMemset(w.data, 0xa5, w.count) == cudaSuccess);
    REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
    launch();
    REQUIRE(cudaStreamSynchronize(s) == cudaSuccess);
    std::vector<unsigned char> bytes;
    for (const device_bytes& w : written) {
      const std::size_t at = bytes.size();
      bytes.resize(at + w.count);
      REQUIRE(cudaMemcpy(bytes.data() + at, w.data, w.count, cudaMemcpyDeviceToHost) == cudaSuccess);
    }
    return bytes;
  };
  INFO(std::string(algorithm));
  const auto before = written_by(call);
  const cudaGraphExec_t graph = capture(s, call);
  change();
  const auto replayed = written_by([&] { REQUIRE(cudaGraphLaunch(graph, s) == cudaSuccess); });
  cudaGraphExecDestroy(graph);
  CHECK(replayed == written_by(call));
  CHECK(replayed != before);
  covers(algorithm, "capture");
}

}  // namespace prefer_test
