// Two ends of a link and the traffic of both; every word that is taken goes into a log.
//
// program LOG key=value ...   with an end's or direction's name behind the key, a: an end or what it sends, b likewise
//   cycles=N seed=N          of core a
//   period_<clock>=fs        clocks ca cb (cores), pa pb (tx), qa qb (rx at a, b); phase_<clock>=fs
//   lo_a hi_a gap_a          words of a frame, and most idle cycles before one (uniform)
//   pause_a stall_a          chance of 256 that the core has no word, or takes none, in a cycle
//   frames_a=N               frames to send, 0: without end
//   clear=N                  cycles from `lost` until the core clears it, 0: never
//   at=CYCLE:port:value      a port of the top from that cycle on; also reset_a, silent_a (no new frames), hold_a (takes none)
#include "Vtop.h"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>
using Number = uint64_t;

struct Random {
    Number state;
    Number operator()() {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        return state * 0x2545F4914F6CDD1DULL;
    }
    Number below(Number limit) { return limit ? ((*this)() >> 32) % limit : 0; }
};

struct Record { Number cycle, data; uint8_t end, what, flags, unused[5]; };
enum What { TX, RX, UP, LOST };
static FILE* log_file;
static void record(Number cycle, Number data, int end, int what, int flags) {
    Record entry = {cycle, data, uint8_t(end), uint8_t(what), uint8_t(flags), {0}};
    fwrite(&entry, sizeof entry, 1, log_file);
}

struct Settings {
    std::map<std::string, Number> values;
    Number operator()(const std::string& key, Number otherwise = 0) const {
        auto found = values.find(key);
        return found == values.end() ? otherwise : found->second;
    }
};

struct Pins { Number tx_data, tx_length, tx_valid, rx_ready, clear, tx_ready, rx_data, rx_first, rx_last, rx_valid, up, lost; };

struct End {
    int index;
    Random random;
    Number lo, hi, gap, pause, stall, frames, clear_after, mask, cycle = 0, left = 0, wait = 0, lost_for = 0;
    bool offered = false, silent = false, hold = false, was_up = false, was_lost = false, fresh = true;
    void before(const Pins& p) {  // an edge comes: what it takes
        if (p.tx_valid && p.tx_ready) {
            record(cycle, p.tx_data, index, TX, fresh | (left == 1) << 1);
            fresh = false, offered = false;
            if (--left == 0) wait = random.below(gap + 1);
        }
        if (p.rx_valid && p.rx_ready) record(cycle, p.rx_data, index, RX, p.rx_first | p.rx_last << 1);
        if (p.up != was_up) record(cycle, p.up, index, UP, 0);
        if (p.lost != was_lost) record(cycle, p.lost, index, LOST, 0);
        was_up = p.up, was_lost = p.lost;
        lost_for = p.lost ? lost_for + 1 : 0;
        ++cycle;
    }
    void after(Pins& p, bool in_reset) {  // the edge was: what is offered next
        p.clear = clear_after && lost_for >= clear_after;
        if (p.lost || in_reset) offered = false, left = 0;
        if (left == 0 && !p.lost && !in_reset) {
            if (wait) --wait;
            else if (!silent && frames != 1) {
                left = lo + random.below(hi - lo + 1), fresh = true;
                if (frames) --frames;
            }
        }
        if (left && !offered && random.below(256) >= pause) offered = true, p.tx_data = random() & mask;
        p.tx_valid = offered;
        p.tx_length = left;
        p.rx_ready = !hold && random.below(256) >= stall;
    }
};

#define PULL(e) Pins{top.e##_tx_data, top.e##_tx_length, top.e##_tx_valid, top.e##_rx_ready, top.e##_clear, top.e##_tx_ready, \
    top.e##_rx_data, top.e##_rx_first, top.e##_rx_last, top.e##_rx_valid, top.e##_up, top.e##_lost}
#define PUSH(e) top.e##_tx_data = pins.tx_data, top.e##_tx_length = pins.tx_length, top.e##_tx_valid = pins.tx_valid, \
    top.e##_rx_ready = pins.rx_ready, top.e##_clear = pins.clear
#define COUNT(e, name) printf(#e "_" #name "=%u\n", unsigned(top.e##_##name));
#define COUNTS(e) COUNT(e, frames_sent) COUNT(e, words_sent) COUNT(e, frames_received) COUNT(e, words_received) \
    COUNT(e, check_errors) COUNT(e, corrected) COUNT(e, replays) COUNT(e, credit_stalls) COUNT(e, replay_highest) \
    COUNT(e, buffer_highest) COUNT(e, latency) COUNT(e, latency_highest) COUNT(e, mismatch)

struct Event { Number cycle; std::string port; Number value; };

int main(int, char** argv) {
    Settings set;
    std::vector<Event> events;
    for (char** word = argv + 2; *word; ++word) {
        std::string text = *word;
        size_t equals = text.find('=');
        std::string key = text.substr(0, equals), value = text.substr(equals + 1);
        if (key == "at") {
            size_t one = value.find(':'), two = value.rfind(':');
            events.push_back({strtoull(value.c_str(), nullptr, 0), value.substr(one + 1, two - one - 1),
                              strtoull(value.c_str() + two + 1, nullptr, 0)});
        } else set.values[key] = strtoull(value.c_str(), nullptr, 0);
    }
    log_file = fopen(argv[1], "wb");
    static Vtop top;
    End ends[2];
    for (int e = 0; e < 2; ++e) {
        std::string name = e ? "_b" : "_a";
        End& end = ends[e];
        end.index = e;
        end.random.state = 0x9E3779B97F4A7C15ULL * (2 * set("seed", 1) + e + 1);
        end.lo = set("lo" + name, 1), end.hi = set("hi" + name, 16), end.gap = set("gap" + name, 0);
        end.pause = set("pause" + name), end.stall = set("stall" + name);
        end.frames = set("frames" + name) ? set("frames" + name) + 1 : 0;
        end.clear_after = set("clear", 20), end.mask = WORD_BITS == 64 ? ~0ULL : (1ULL << WORD_BITS % 64) - 1;
    }
    std::map<std::string, std::function<void(Number)>> ports;
#define PORT(name) ports[#name] = [&](Number value) { top.name = value; };
#define DIRECTION(d) PORT(d##_latency) PORT(d##_bit_errors) PORT(d##_start_errors) PORT(d##_bursts) PORT(d##_burst_words) \
    PORT(d##_cut) PORT(d##_down) PORT(d##_seed)
    DIRECTION(ab) DIRECTION(ba)
    PORT(a_inject_every) PORT(a_inject_bit) PORT(b_inject_every) PORT(b_inject_bit)
    ports["reset_a"] = [&](Number value) { top.ca_rst = value; };
    ports["reset_b"] = [&](Number value) { top.cb_rst = value; };
    ports["silent_a"] = [&](Number value) { ends[0].silent = value; };
    ports["silent_b"] = [&](Number value) { ends[1].silent = value; };
    ports["hold_a"] = [&](Number value) { ends[0].hold = value; };
    ports["hold_b"] = [&](Number value) { ends[1].hold = value; };
    top.ab_latency = top.ba_latency = 16;
    top.ab_burst_words = top.ba_burst_words = 10;
    top.ab_seed = 0x1234567 + set("seed", 1), top.ba_seed = 0x7654321 + set("seed", 1);
    for (auto& entry : set.values)
        if (ports.count(entry.first)) ports[entry.first](entry.second);

    struct Clock { CData* pin; Number half, next; } clocks[6];
    CData* pins_of[6] = {&top.ca_clk, &top.cb_clk, &top.pa_clk, &top.pb_clk, &top.qa_clk, &top.qb_clk};
    const char* names[6] = {"ca", "cb", "pa", "pb", "qa", "qb"};
    for (int c = 0; c < 6; ++c) {
        std::string name = names[c];
        Number half = set("period_" + name, 2000000) / 2;
        clocks[c] = {pins_of[c], half, half + set("phase_" + name, 0)};
    }
    top.ca_rst = top.cb_rst = top.line_rst = 1;
    Number cycles = set("cycles", 1000), total = cycles + 4;
    size_t done = 0;
    bool started = false;
    std::vector<Event> waiting = events;
    while (ends[0].cycle < cycles) {
        Number now = ~0ULL;
        for (auto& clock : clocks) if (clock.next < now) now = clock.next;
        bool rises[2] = {false, false};
        for (int e = 0; e < 2; ++e) rises[e] = clocks[e].next == now && !*clocks[e].pin;
        if (rises[0]) ends[0].before(PULL(a));
        if (rises[1]) ends[1].before(PULL(b));
        for (auto& clock : clocks) if (clock.next == now) *clock.pin ^= 1, clock.next += clock.half;
        top.eval();
        if (rises[0]) { Pins pins = PULL(a); ends[0].after(pins, top.ca_rst); PUSH(a); }
        if (rises[1]) { Pins pins = PULL(b); ends[1].after(pins, top.cb_rst); PUSH(b); }
        if (rises[0]) {
            if (!started && ends[0].cycle == 4) top.ca_rst = set("late_a") != 0, top.cb_rst = set("late_b") != 0, top.line_rst = 0, started = true;
            for (auto& event : waiting)
                if (event.cycle == ends[0].cycle) {
                    auto port = ports.find(event.port);
                    if (port == ports.end()) return fprintf(stderr, "no port %s\n", event.port.c_str()), 1;
                    port->second(event.value);
                }
        }
        if (rises[0] || rises[1]) top.eval();
    }
    (void)total, (void)done;
    COUNTS(a) COUNTS(b)
    return fclose(log_file);
}
