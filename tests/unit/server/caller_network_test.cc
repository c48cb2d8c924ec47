#include "server/core/caller_network.h"

#include <gtest/gtest.h>

namespace hiif::server {
namespace {

TEST(CallerNetwork, TheAddressesOfOneSubnetAreOneCaller) {
  EXPECT_EQ(CallerNetwork("2001:db8:1:2::1"), "2001:db8:1:2::/64");
  EXPECT_EQ(CallerNetwork("2001:db8:1:2:ffff:ffff:ffff:ffff"), "2001:db8:1:2::/64");
  EXPECT_NE(CallerNetwork("2001:db8:1:3::1"), CallerNetwork("2001:db8:1:2::1"));
}

TEST(CallerNetwork, Ipv4IsIpv4HoweverItIsWritten) {
  EXPECT_EQ(CallerNetwork("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(CallerNetwork("::ffff:192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(CallerNetwork("::ffff:c000:207"), "192.0.2.7");
}

TEST(CallerNetwork, WhatIsOfOnesOwnNetworkOrNoAddressStays) {
  for (const char* text :
       {"::1", "fe80::1", "fe80::2%eth0", "fd12:3456::7", "fc00::1", "unix", "archive", ""})
    EXPECT_EQ(CallerNetwork(text), text);
}

}  // namespace
}  // namespace hiif::server
