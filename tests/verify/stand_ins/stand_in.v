// A stand-in for an accelerator: every beat comes back LATENCY cycles later, with one fault
// chosen by the memory image fault.hex at run time: word 0 the kind, word 1 the beat it hits.
module stand_in #(
    parameter LATENCY = 3
) (
    input  wire        aclk,
    input  wire        aresetn,
    input  wire [31:0] s_axis_tdata,
    input  wire        s_axis_tvalid,
    output wire        s_axis_tready,
    input  wire        s_axis_tlast,
    output wire [31:0] m_axis_tdata,
    output wire        m_axis_tvalid,
    input  wire        m_axis_tready,
    output wire        m_axis_tlast
);
    localparam FLIP = 1, DROP = 2, LATE = 3, NO_LAST = 4, HANG = 5, SURPLUS = 6;

    reg [15:0] fault [0:1];
    initial $readmemh("fault.hex", fault);

    reg  [15:0] beat;
    reg  [7:0]  wait_left;
    reg         busy, repeated;
    wire        hit = beat == fault[1];
    wire        drop = hit && fault[0] == DROP;
    wire        hang = beat >= fault[1] && fault[0] == HANG;
    wire        again = hit && fault[0] == SURPLUS && !repeated;
    wire        take = s_axis_tvalid && s_axis_tready;
    wire        done = busy && wait_left == 0 && (drop || (m_axis_tvalid && m_axis_tready));

    wire [32:0] held;
    stand_in_stage stage (.clk(aclk), .take(take), .data({s_axis_tlast, s_axis_tdata}), .held(held));

    assign s_axis_tready = aresetn && !busy;
    assign m_axis_tvalid = busy && wait_left == 0 && !drop && !hang;
    assign m_axis_tdata  = held[31:0] ^ (hit && fault[0] == FLIP ? 32'h0001_0000 : 32'h0);
    assign m_axis_tlast  = held[32] && !(hit && fault[0] == NO_LAST);

    always @(posedge aclk)
        if (!aresetn) begin
            beat <= 0;
            busy <= 0;
            repeated <= 0;
            wait_left <= 0;
        end else begin
            if (take) begin
                busy <= 1;
                wait_left <= LATENCY - 1 + (hit && fault[0] == LATE);
            end else if (wait_left != 0) wait_left <= wait_left - 1;
            if (done && again) repeated <= 1;
            if (done && !again) begin
                busy <= 0;
                beat <= beat + 1;
            end
        end
endmodule

module stand_in_stage (
    input  wire        clk,
    input  wire        take,
    input  wire [32:0] data,
    output wire [32:0] held
);
    stand_in_core core (.clk(clk), .take(take), .data(data), .held(held));
endmodule

module stand_in_core (
    input  wire        clk,
    input  wire        take,
    input  wire [32:0] data,
    output wire [32:0] held
);
    reg [32:0] probe_held;
    wire probe_take = take;
    assign held = probe_held;
    always @(posedge clk) if (take) probe_held <= data;
endmodule
