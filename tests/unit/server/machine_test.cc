#include "server/config/machine.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "server/config/config.h"

namespace hiif::server {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

// A tree that stands for /proc and /sys.
class Tree {
 public:
  explicit Tree(const std::string& name) : root_(testing::TempDir() + name) {
    std::filesystem::remove_all(root_);
  }
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  MachineFacts Read() const { return ReadMachineFacts(root_ + "/proc", root_ + "/sys"); }

 private:
  std::string root_;
};

TEST(Machine, Cgroup2TakesTheStrictestLimitOnTheWayUp) {
  Tree tree("cgroup2");
  tree.Write("/proc/self/cgroup", "0::/kubepods/pod1/main\n");
  tree.Write("/proc/meminfo", "MemTotal:       65536000 kB\nMemFree: 1 kB\n");
  tree.Write("/sys/fs/cgroup/kubepods/pod1/main/cpu.max", "max 100000\n");
  tree.Write("/sys/fs/cgroup/kubepods/pod1/main/memory.max", "max\n");
  tree.Write("/sys/fs/cgroup/kubepods/pod1/cpu.max", "250000 100000\n");
  tree.Write("/sys/fs/cgroup/kubepods/pod1/memory.max", "2147483648\n");
  tree.Write("/sys/fs/cgroup/kubepods/cpu.max", "800000 100000\n");
  const MachineFacts facts = tree.Read();
  EXPECT_DOUBLE_EQ(facts.cgroup_cpus, 2.5);
  EXPECT_EQ(facts.cgroup_memory_bytes, 2 * kGiB);
  EXPECT_EQ(facts.total_memory_bytes, int64_t{65536000} * 1024);
}

TEST(Machine, Cgroup2OfAContainerIsTheRootOfItsMount) {
  Tree tree("container");
  tree.Write("/proc/self/cgroup", "0::/\n");
  tree.Write("/sys/fs/cgroup/cpu.max", "100000 100000\n");
  tree.Write("/sys/fs/cgroup/memory.max", "2147483648\n");
  EXPECT_DOUBLE_EQ(tree.Read().cgroup_cpus, 1);
  EXPECT_EQ(tree.Read().cgroup_memory_bytes, 2 * kGiB);
}

TEST(Machine, Cgroup1) {
  Tree tree("cgroup1");
  tree.Write("/proc/self/cgroup", "4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n");
  tree.Write("/sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us", "150000\n");
  tree.Write("/sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us", "100000\n");
  tree.Write("/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "9223372036854771712\n");
  tree.Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "4294967296\n");
  EXPECT_DOUBLE_EQ(tree.Read().cgroup_cpus, 1.5);
  EXPECT_EQ(tree.Read().cgroup_memory_bytes, 4 * kGiB);
}

TEST(Machine, NothingToReadIsNoLimit) {
  Tree tree("nothing");
  const MachineFacts facts = tree.Read();
  EXPECT_EQ(facts.cgroup_cpus, 0);
  EXPECT_EQ(facts.cgroup_memory_bytes, 0);
  EXPECT_GE(facts.affinity_cpus, 1);
}

TEST(Resources, OneCpuAndTwoGiBOnALargeMachine) {
  const Resources resources = SizeResources(DefaultConfig(), {.affinity_cpus = 64,
                                                              .cgroup_cpus = 1,
                                                              .cgroup_memory_bytes = 2 * kGiB,
                                                              .total_memory_bytes = 256 * kGiB});
  EXPECT_EQ(resources.workers, 1);
  EXPECT_EQ(resources.memory_bytes, kGiB * 3 / 2);
  EXPECT_EQ(resources.feature_cache_bytes, kGiB * 3 / 8);
  EXPECT_EQ(resources.tiles_ahead, 4);
}

TEST(Resources, WorkersAreWholeCoresAndAtLeastOne) {
  EXPECT_EQ(SizeResources(DefaultConfig(), {.affinity_cpus = 8, .cgroup_cpus = 3.9}).workers, 3);
  EXPECT_EQ(SizeResources(DefaultConfig(), {.affinity_cpus = 8, .cgroup_cpus = 0.5}).workers, 1);
  EXPECT_EQ(SizeResources(DefaultConfig(), {.affinity_cpus = 2, .cgroup_cpus = 16}).workers, 2);
}

TEST(Resources, SettingsWin) {
  ServerConfig config = DefaultConfig();
  config.set_workers(7);
  config.set_memory_bytes(kGiB);
  config.set_feature_cache_bytes(0);
  config.set_tiles_ahead(2);
  const Resources resources = SizeResources(config, {.affinity_cpus = 2});
  EXPECT_EQ(resources.workers, 7);
  EXPECT_EQ(resources.memory_bytes, kGiB);
  EXPECT_EQ(resources.feature_cache_bytes, 0);
  EXPECT_EQ(resources.tiles_ahead, 2);
}

// Defect: a host of 512 GB filled a card of 80 with latent codes.
TEST(Resources, AGpuHasItsOwnMemory) {
  MachineFacts facts{.total_memory_bytes = 512 * kGiB, .device_memory_bytes = 80 * kGiB};
  EXPECT_EQ(SizeResources(DefaultConfig(), facts).memory_bytes, 60 * kGiB);
  EXPECT_EQ(SizeResources(DefaultConfig(), facts).feature_cache_bytes, 15 * kGiB);
  facts.total_memory_bytes = 16 * kGiB;
  EXPECT_EQ(SizeResources(DefaultConfig(), facts).memory_bytes, 12 * kGiB);
}

TEST(Resources, ACacheLeavesMemoryForRequests) {
  ServerConfig config = DefaultConfig();
  config.set_memory_bytes(kGiB);
  config.set_feature_cache_bytes(kGiB - 1);
  EXPECT_TRUE(CheckResources(SizeResources(config, {})).ok());
  for (const int64_t cache : {kGiB, 2 * kGiB}) {
    config.set_feature_cache_bytes(cache);
    EXPECT_EQ(CheckResources(SizeResources(config, {})).code(), absl::StatusCode::kInvalidArgument);
  }
  config.set_memory_bytes(0);  // of the machine
  EXPECT_FALSE(CheckResources(SizeResources(config, {.cgroup_memory_bytes = kGiB})).ok());
}

}  // namespace
}  // namespace hiif::server
