// Visits all states that a circuit can reach, and says what it finds.
//
//   states CIRCUIT.aig CIRCUIT.map LIMIT [NAME=VALUE | NAME:BITS | ~REGISTER]..
//
// CIRCUIT: binary AIGER of yosys with its bad states and one output, `rests`; all registers begin with 0.  NAME=VALUE:
// an input that stays as it is.  NAME:BITS: one whose lowest bits are anything in every cycle.  ~REGISTER: stays 0 (a
// counter that never ends).  Other inputs are 0.  In every state the input `calm` may be 1, all others then 0; from every state, calm from
// then on, one must be reached that rests.  LIMIT: of states.
//
// Prints "states N cycles D rest R": N states, the last of them first reached after D cycles; from each of them within R
// calm cycles one that rests.  Or "bad NUMBER after D", "stuck": some state never comes to rest, or "limit".
//
// States are known by fingerprints of 128 bits: that two of 10^8 states share one has a chance of 1 in 10^22.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

using Word = uint64_t;

struct Circuit {
    int inputs, latches, outputs, ands, bads;
    std::vector<int> next, output, bad, left, right;   // literals
    std::map<std::string, std::vector<int>> input, latch;   // by name, bit by bit
    std::vector<Word> value;                           // of each variable, in 64 states at once

    explicit Circuit(const std::string &aig, const std::string &names) {
        std::ifstream file(aig, std::ios::binary);
        std::string line, word;
        std::getline(file, line);
        int most;
        std::istringstream(line) >> word >> most >> inputs >> latches >> outputs >> ands >> bads;
        auto number = [&] { std::getline(file, line); return std::atoi(line.c_str()); };
        for (int i = 0; i < latches; i++) next.push_back(number());
        for (int i = 0; i < outputs; i++) output.push_back(number());
        for (int i = 0; i < bads; i++) bad.push_back(number());
        for (int i = 0; i < ands; i++) {
            auto delta = [&] {
                int value = 0;
                for (int shift = 0;; shift += 7) {
                    int byte = file.get();
                    value |= (byte & 127) << shift;
                    if (byte < 128) return value;
                }
            };
            left.push_back(2 * (inputs + latches + 1 + i) - delta());
            right.push_back(left.back() - delta());
        }
        value.assign(most + 1, 0);
        std::ifstream map(names);
        while (std::getline(map, line)) {
            std::istringstream fields(line);
            std::string kind, name;
            int place, bit;
            if (!(fields >> kind >> place >> bit >> name)) continue;
            if (kind != "input" && kind != "latch" && kind != "invlatch") continue;
            auto &bits = (kind == "input" ? input : latch)[name];
            if ((int)bits.size() <= bit) bits.resize(bit + 1, -1);
            bits[bit] = place;
        }
    }
    Word of(int literal) const { return value[literal >> 1] ^ (Word)-(literal & 1); }
    void settle() {
        Word *out = &value[inputs + latches + 1];
        for (int i = 0; i < ands; i++) out[i] = of(left[i]) & of(right[i]);
    }
};

static void transpose(Word *rows) {   // 64 x 64 bits
    Word mask = 0x00000000FFFFFFFFull;
    for (int step = 32; step; step >>= 1, mask ^= mask << step)
        for (int i = 0; i < 64; i = ((i | step) + 1) & ~step) {
            Word both = ((rows[i] >> step) ^ rows[i | step]) & mask;
            rows[i] ^= both << step;
            rows[i | step] ^= both;
        }
}

class Known {   // states by their fingerprints, with their numbers
    struct Entry { Word low, high; uint32_t number; };
    std::vector<Entry> table;
    Word mask;
public:
    uint32_t count = 0;
    explicit Known(Word limit) {
        Word size = 1024;
        while (size < 2 * limit) size *= 2;
        table.assign(size, {0, 0, 0});
        mask = size - 1;
    }
    uint32_t number(const Word *state, int words) {
        Word low = 0x9E3779B97F4A7C15ull, high = 0xC2B2AE3D27D4EB4Full;
        for (int i = 0; i < words; i++) {
            low = (low ^ state[i]) * 0xff51afd7ed558ccdull;
            low ^= low >> 32;
            high = (high + state[i] * 0x9FB21C651E98DF25ull);
            high = (high ^ high >> 29) * 0xc4ceb9fe1a85ec53ull;
            high ^= high >> 31;
        }
        low |= 1;   // never an empty entry
        Word place = high & mask;
        while (table[place].low && (table[place].low != low || table[place].high != high)) place = (place + 1) & mask;
        if (!table[place].low) table[place] = {low, high, count++};
        return table[place].number;
    }
};

static int fail(const std::string &text) {
    std::fprintf(stderr, "%s\n", text.c_str());
    return 2;
}

int main(int count, char **given) {
    if (count < 4) return fail("states CIRCUIT.aig CIRCUIT.map LIMIT [NAME=VALUE | NAME:BITS | ~REGISTER]..");
    Circuit circuit(given[1], given[2]);
    const Word limit = std::strtoull(given[3], nullptr, 10);
    const int words = (circuit.latches + 63) / 64;
    std::vector<int> free_inputs;
    std::vector<std::pair<int, bool>> fixed;
    std::vector<Word> keep(words, ~0ull);
    for (int i = 4; i < count; i++) {
        std::string text = given[i];
        if (text[0] == '~') {
            if (!circuit.latch.count(text.substr(1))) return fail("no register " + text.substr(1));
            for (int bit : circuit.latch[text.substr(1)])
                if (bit >= 0) keep[bit / 64] &= ~(1ull << bit % 64);
            continue;
        }
        const size_t end = text.find_first_of("=:");
        const std::string name = text.substr(0, end);
        if (end == std::string::npos || !circuit.input.count(name)) return fail("no input " + text);
        const Word value = std::strtoull(text.c_str() + end + 1, nullptr, 0);
        for (size_t bit = 0; bit < circuit.input[name].size(); bit++) {
            const int place = circuit.input[name][bit];
            if (place < 0) continue;   // nothing depends on it
            if (text[end] == '=') fixed.push_back({place, value >> bit & 1});
            else if (bit < value) free_inputs.push_back(place);
        }
    }
    if (!circuit.input.count("calm")) return fail("no input calm");
    const int calm = circuit.input["calm"][0];
    const Word ways = (1ull << free_inputs.size()) + 1;   // the last one is calm

    Known known(limit);
    std::vector<Word> front(words, 0), following;
    std::vector<uint32_t> calm_next;   // by number of a state
    std::vector<bool> rests;
    known.number(front.data(), words);
    long cycles = 0;
    uint32_t first = 0;                // number of the first state of the front
    for (; !front.empty(); cycles++) {
        following.clear();
        const Word states = front.size() / words, lanes = states * ways;
        calm_next.resize(first + states);
        rests.resize(first + states);
        for (Word begin = 0; begin < lanes; begin += 64) {
            const int used = lanes - begin < 64 ? lanes - begin : 64;
            Word block[64];
            for (int word = 0; word < words; word++) {
                for (int lane = 0; lane < 64; lane++)
                    block[lane] = lane < used ? front[(begin + lane) / ways * words + word] : 0;
                transpose(block);
                for (int bit = 0; bit < 64 && word * 64 + bit < circuit.latches; bit++)
                    circuit.value[circuit.inputs + 1 + word * 64 + bit] = block[bit];
            }
            Word is_calm = 0;
            for (int lane = 0; lane < used; lane++) is_calm |= (Word)((begin + lane) % ways == ways - 1) << lane;
            for (auto &one : fixed) circuit.value[1 + one.first] = one.second ? ~is_calm : 0;
            for (size_t i = 0; i < free_inputs.size(); i++) {
                Word bits = 0;
                for (int lane = 0; lane < used; lane++) bits |= ((begin + lane) % ways >> i & 1) << lane;
                circuit.value[1 + free_inputs[i]] = bits & ~is_calm;
            }
            circuit.value[1 + calm] = is_calm;
            circuit.settle();
            const Word valid = used < 64 ? (1ull << used) - 1 : ~0ull;
            for (int i = 0; i < circuit.bads; i++)
                if (circuit.of(circuit.bad[i]) & valid) {
                    std::printf("bad %d after %ld\n", i, cycles);
                    return 1;
                }
            static Word after[64][64];
            for (int word = 0; word < words; word++) {
                for (int bit = 0; bit < 64; bit++) {
                    int latch = word * 64 + bit;
                    block[bit] = latch < circuit.latches ? circuit.of(circuit.next[latch]) : 0;
                }
                transpose(block);
                for (int lane = 0; lane < 64; lane++) after[lane][word] = block[lane] & keep[word];
            }
            const Word rest = circuit.of(circuit.output[0]);
            for (int lane = 0; lane < used; lane++) {
                const uint32_t before = known.count, number = known.number(after[lane], words);
                if (known.count != before) following.insert(following.end(), after[lane], after[lane] + words);
                if (is_calm >> lane & 1) {
                    const uint32_t state = first + (begin + lane) / ways;
                    calm_next[state] = number;
                    rests[state] = rest >> lane & 1;
                }
            }
            if (known.count > limit) {
                std::printf("limit after %ld\n", cycles);
                return 1;
            }
        }
        first += states;
        front.swap(following);
    }

    // From every state, calm, to one that rests: 0 where it does, else one more than from the next one.
    const uint32_t unknown = ~0u, visiting = unknown - 1;
    std::vector<uint32_t> steps(known.count, unknown), way;
    uint32_t longest = 0;
    for (uint32_t start = 0; start < known.count; start++) {
        uint32_t state = start;
        for (way.clear(); steps[state] == unknown && !rests[state]; state = calm_next[state]) {
            steps[state] = visiting;
            way.push_back(state);
        }
        if (steps[state] == visiting) {
            std::printf("stuck\n");
            return 1;
        }
        if (rests[state]) steps[state] = 0;
        uint32_t distance = steps[state];
        for (; !way.empty(); way.pop_back()) steps[way.back()] = ++distance;
        if (distance > longest) longest = distance;
    }
    std::printf("states %u cycles %ld rest %u\n", known.count, cycles - 1, longest);
    return 0;
}
