// Two ends of the link layer and two lines, small enough that all states can be visited (states.cc), and what must hold
// in each of them.
//
// A gives words of one bit, all 0 but one, the marked one, whenever that is: a word that is lost, comes twice or comes
// in another order is then a mark in the wrong place.  What a line does to the word that it takes:
//
//   harm   0: nothing  1: it is lost  2: its start flag is wrong  3 + N: its bit N is wrong
module link_states #(
    parameter WIDTH = 16,   // of a header, if it is wider than a word
    parameter LONGEST = 1   // words of the longest frame: 1 or 2
) (
    input  wire clk,
    input  wire offers, takes, longer, mark,   // the cores'
    input  wire [3:0] harm_ab, harm_ba,
    input  wire calm,                          // nothing is damaged, what is there is taken, and nothing new begins
    output wire rests                          // the link is up, and all that was given has been taken
);
    // A gives.
    reg inside = 0, marked = 0, done = 0, is_first = 0, is_last = 0;
    reg [3:0] between = 0, ahead = 0;   // words given and not taken; of these those before the marked one
    wire ready_a, rx_first, rx_last, rx_valid, lost_a, lost_b, up_a, up_b;
    wire [WIDTH-1:0] rx_data;
    wire last = LONGEST == 1 || inside || !longer;
    wire offer = calm ? inside : offers;
    wire gives = offer && ready_a;
    wire marks = gives && mark && !calm && !marked;
    wire taken = rx_valid && (calm || takes);
    wire here = marked && !done && ahead == 0;
    assign rests = between == 0 && !inside && up_a && up_b;
    always @(posedge clk) begin
        if (gives) inside <= !last;
        between <= between + gives - taken;
        if (marks) begin
            marked <= 1; ahead <= between - taken; is_first <= !inside; is_last <= last;
        end
        if (taken && marked && !done) begin
            if (ahead == 0) done <= 1;
            else ahead <= ahead - 1;
        end
        // B takes.
        if (rx_valid) begin
            assert (between != 0);
            assert (rx_data[0] == here);
            if (here) begin
                assert (rx_first == is_first);
                assert (rx_last == is_last);
            end
        end
        assert (!lost_a && !lost_b);
    end

    wire [WIDTH-1:0] out_a, out_b, in_a, in_b;
    wire start_out_a, start_out_b, valid_out_a, valid_out_b, start_a, start_b, valid_a, valid_b, truth_a, truth_b;
    link_core a (
        .clk(clk), .rst(1'b0), .tx_data({{WIDTH-1{1'b0}}, marks}), .tx_length(last || inside ? 2'd1 : 2'd2),
        .tx_valid(offer), .tx_ready(ready_a), .rx_ready(1'b1), .up(up_a), .lost(lost_a), .clear(1'b1),
        .inject_every(32'd0), .inject_bit(5'd0), .out_data(out_a), .out_start(start_out_a), .out_valid(valid_out_a),
        .out_ready(1'b1), .in_data(in_a), .in_start(start_a), .in_valid(valid_a), .phy_up(1'b1), .truth(truth_a)
    );
    link_core b (
        .clk(clk), .rst(1'b0), .tx_data({WIDTH{1'b0}}), .tx_length(2'd1), .tx_valid(1'b0), .rx_data(rx_data),
        .rx_first(rx_first), .rx_last(rx_last), .rx_valid(rx_valid), .rx_ready(calm || takes), .up(up_b), .lost(lost_b),
        .clear(1'b1), .inject_every(32'd0), .inject_bit(5'd0), .out_data(out_b), .out_start(start_out_b),
        .out_valid(valid_out_b), .out_ready(1'b1), .in_data(in_b), .in_start(start_b), .in_valid(valid_b),
        .phy_up(1'b1), .truth(truth_b)
    );
    wire [3:0] does_ab = calm ? 4'd0 : harm_ab, does_ba = calm ? 4'd0 : harm_ba;
    line #(.WIDTH(WIDTH)) ab (
        .clk(clk), .sent(out_a), .sent_start(start_out_a), .sent_valid(valid_out_a), .lose(does_ab == 1),
        .change(does_ab > 1), .other(out_a ^ (does_ab > 2 ? 1 << does_ab - 3 : 0)),
        .other_start(start_out_a ^ (does_ab == 2)), .word(in_b), .start(start_b), .valid(valid_b), .truth(truth_b)
    );
    line #(.WIDTH(WIDTH)) ba (
        .clk(clk), .sent(out_b), .sent_start(start_out_b), .sent_valid(valid_out_b), .lose(does_ba == 1),
        .change(does_ba > 1), .other(out_b ^ (does_ba > 2 ? 1 << does_ba - 3 : 0)),
        .other_start(start_out_b ^ (does_ba == 2)), .word(in_a), .start(start_a), .valid(valid_a), .truth(truth_a)
    );
endmodule
