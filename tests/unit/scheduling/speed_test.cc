#include "scheduling/speed.h"

#include <gtest/gtest.h>

namespace hiif::scheduling {
namespace {

TEST(Speed, IsUnknownThenTheFirstThenFollows) {
  Speed speed;
  EXPECT_FALSE(speed.known());
  speed.Learn(1000, 1);
  EXPECT_DOUBLE_EQ(speed.coordinates_per_second(), 1000);
  for (int i = 0; i < 100; ++i) speed.Learn(500, 1);
  EXPECT_NEAR(speed.coordinates_per_second(), 500, 10);
}

TEST(Speed, OneOutlierHardlyMovesIt) {
  Speed speed;
  speed.Calibrate(1000);
  speed.Learn(500, 3600);  // half a second of work took an hour
  EXPECT_GT(speed.coordinates_per_second(), 960);
  speed.Calibrate(1000);
  speed.Learn(500, 1e-9);
  EXPECT_LT(speed.coordinates_per_second(), 1040);
}

TEST(Speed, TinyPiecesTeachLittle) {
  Speed speed;
  speed.Calibrate(100'000);
  for (int i = 0; i < 1000; ++i) speed.Learn(1, 0.01);  // overhead alone
  EXPECT_GT(speed.coordinates_per_second(), 99'000);
}

TEST(Speed, WhatClientsDecideIsBounded) {
  Speed speed(2);
  speed.Calibrate(1000);
  for (int i = 0; i < 1000; ++i) speed.Learn(1000, 1000);
  EXPECT_DOUBLE_EQ(speed.coordinates_per_second(), 500);
  for (int i = 0; i < 1000; ++i) speed.Learn(1000, 0.001);
  EXPECT_DOUBLE_EQ(speed.coordinates_per_second(), 2000);
}

TEST(Speed, NothingIsLearntFromNothing) {
  Speed speed;
  speed.Calibrate(1000);
  speed.Learn(0, 1);
  speed.Learn(1, 0);
  EXPECT_DOUBLE_EQ(speed.coordinates_per_second(), 1000);
}

}  // namespace
}  // namespace hiif::scheduling
