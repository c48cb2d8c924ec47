// How fast one worker does one kind of work, as far as is known.
#ifndef SCHEDULING_SPEED_H_
#define SCHEDULING_SPEED_H_

namespace hiif::scheduling {

// Coordinates a second. Begins with what was calibrated, follows what is measured: an average of
// the logarithm of the pace, weighted by the time that a piece was expected to take, over the last
// ten seconds of work. A single piece counts as at most twice as slow or fast as expected, whatever
// it took, so outliers hardly move it; what stays so moves it by a factor of two in ten seconds.
class Speed {
 public:
  // most_drift: the factor that measurements may move a calibrated speed by, either way; for work
  // whose cost a client decides. 0: no bound.
  explicit Speed(double most_drift = 0) : most_drift_(most_drift) {}

  // What was measured before there were clients. Replaces everything.
  void Calibrate(double coordinates_per_second);
  // A piece took so many seconds of one worker.
  void Learn(double coordinates, double seconds);

  bool known() const { return per_second_ > 0; }
  double calibrated() const { return calibrated_; }  // 0: it was not
  double coordinates_per_second() const { return per_second_; }

 private:
  const double most_drift_;
  double calibrated_ = 0;
  double per_second_ = 0;
};

}  // namespace hiif::scheduling

#endif  // SCHEDULING_SPEED_H_
