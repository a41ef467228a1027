// Two ends of the link layer, two lines that lose and change words at will, and what must hold whatever they do.
//
// The lines, and what the check of a frame is, are in line.v.
//
// Words count up, with their frame's begin and end and the number of the session beside the count, so that a word that
// is lost, comes twice, or comes in another order, is a wrong count.
module link_proof #(
    parameter RESETS = 0,   // both ends may be reset at any time (not with ends that begin trained: they would again)
    parameter CALM = 0,     // cycles without damage after which everything that was given has arrived; 0: not asked
    parameter QUIET = 0,    // nothing is damaged in so many first cycles
    parameter LOSS = 0,     // words are lost and not changed
    parameter STEADY = 0,   // the cores always give and take; all frames have one length
    parameter FAULTS = 0    // stretches of a line in which words are damaged, as long as they like; 0: any number
) (
    input wire        clk,
    input wire        may_offer, may_take,   // the cores'
    input wire        longer,                // words of the next frame: 2
    input wire        lose_ab, lose_ba, change_ab, change_ba, other_start_ab, other_start_ba,
    input wire [14:0] other_ab, other_ba,   // as many bits as a header has; a payload that was changed is never taken
    input wire        reset_a, reset_b,
    input wire        calm
);
    wire rst_a = RESETS != 0 && reset_a, rst_b = RESETS != 0 && reset_b;
    reg [7:0] cycle = 0;
    always @(posedge clk) if (cycle != 255) cycle <= cycle + 1;

    reg calming = 0;

    reg always_two = 0;
    always @(posedge clk) if (cycle == 0) always_two <= longer;
    wire offer = STEADY != 0 ? cycle != 0 : may_offer;
    wire take = STEADY != 0 || may_take;
    wire two = STEADY != 0 ? always_two : longer;

    // A gives: count of words, session, first and last of a frame.
    reg [7:0] given = 0;
    reg [3:0] session = 0;
    reg inside = 0;
    reg [1:0] length = 1;
    wire up_a, up_b, lost_a, lost_b, ready_a;
    wire [1:0] next_length = inside ? length : (two ? 2'd2 : 2'd1);
    wire last = inside || next_length == 1;
    wire [31:0] data = {last, !inside, 18'd0, session, given};
    reg was_up_a = 0;
    always @(posedge clk) begin
        was_up_a <= up_a;
        if (offer && ready_a) begin
            given <= given + 1;
            inside <= !last;
            length <= next_length;
        end
        if (was_up_a && !up_a || rst_a) begin
            given <= 0;
            inside <= 0;
            if (given != 0) session <= session + 1;
        end
    end

    wire [31:0] out_a, out_b, in_a, in_b, rx_data;
    wire start_out_a, start_out_b, valid_out_a, valid_out_b, start_a, start_b, valid_a, valid_b, truth_a, truth_b;
    wire rx_first, rx_last, rx_valid;
    link_core a (
        .clk(clk), .rst(rst_a), .tx_data(data), .tx_length(next_length), .tx_valid(offer), .tx_ready(ready_a),
        .rx_ready(1'b1), .up(up_a), .lost(lost_a), .clear(1'b1), .inject_every(32'd0), .inject_bit(5'd0),
        .out_data(out_a), .out_start(start_out_a), .out_valid(valid_out_a), .out_ready(1'b1),
        .in_data(in_a), .in_start(start_a), .in_valid(valid_a), .phy_up(1'b1), .truth(truth_a)
    );
    link_core b (
        .clk(clk), .rst(rst_b), .tx_data(32'd0), .tx_length(2'd1), .tx_valid(1'b0),
        .rx_data(rx_data), .rx_first(rx_first), .rx_last(rx_last), .rx_valid(rx_valid), .rx_ready(take),
        .up(up_b), .lost(lost_b), .clear(1'b1), .inject_every(32'd0), .inject_bit(5'd0),
        .out_data(out_b), .out_start(start_out_b), .out_valid(valid_out_b), .out_ready(1'b1),
        .in_data(in_b), .in_start(start_b), .in_valid(valid_b), .phy_up(1'b1), .truth(truth_b)
    );
    // Words are lost and changed only where `harm` is set: in a stretch that goes on, or in a new one.
    wire still = cycle < QUIET || calming;
    reg [3:0] faults = 0;
    reg in_ab = 0, in_ba = 0;
    wire left = FAULTS == 0 || faults < FAULTS;
    wire harm_ab = !still && (lose_ab || change_ab) && (in_ab || left);
    wire harm_ba = !still && (lose_ba || change_ba) && (in_ba || left && !(harm_ab && !in_ab));
    always @(posedge clk) begin
        in_ab <= harm_ab;
        in_ba <= harm_ba;
        if (FAULTS != 0) faults <= faults + (harm_ab && !in_ab || harm_ba && !in_ba);
    end
    line ab (
        .clk(clk), .sent(out_a), .sent_start(start_out_a), .sent_valid(valid_out_a), .lose(lose_ab && harm_ab),
        .change(LOSS == 0 && change_ab && harm_ab), .other({17'd0, other_ab}), .other_start(other_start_ab),
        .word(in_b), .start(start_b), .valid(valid_b), .truth(truth_b)
    );
    line ba (
        .clk(clk), .sent(out_b), .sent_start(start_out_b), .sent_valid(valid_out_b), .lose(lose_ba && harm_ba),
        .change(LOSS == 0 && change_ba && harm_ba), .other({17'd0, other_ba}), .other_start(other_start_ba),
        .word(in_a), .start(start_a), .valid(valid_a), .truth(truth_a)
    );

    // B takes: the right words in order.
    reg [7:0] taken = 0;
    reg [3:0] taken_session = 0;
    reg some = 0, ever = 0, was_up_b = 0;
    wire down_b = was_up_b && !up_b || rst_b;
    always @(posedge clk) begin
        was_up_b <= up_b;
        if (rx_valid && take) begin
            taken <= taken + 1;
            taken_session <= rx_data[11:8];
            some <= 1;
            ever <= 1;
        end
        if (down_b) begin
            taken <= 0;
            some <= 0;
        end
        if (rx_valid && !rst_b) begin
            assert (rx_data[7:0] == taken);
            assert (rx_first == rx_data[30]);
            assert (rx_last == rx_data[31]);
            if (some) assert (rx_data[11:8] == taken_session);
            else if (ever) assert (rx_data[11:8] > taken_session);
            if (RESETS == 0) assert (rx_data[11:8] == 0);
        end
        if (RESETS == 0) assert (!lost_a && !lost_b);
    end

    // From a moment on nothing is damaged: within CALM cycles everything that had been given has been taken.
    reg [7:0] age = 0, owed = 0;
    always @(posedge clk) begin
        if (CALM != 0 && calm && !calming && cycle >= QUIET) begin
            calming <= 1;
            owed <= given - inside;
        end
        if (calming) begin
            age <= age + 1;
            assume (take);
            if (age >= CALM) assert (taken >= owed);
        end
    end
endmodule
