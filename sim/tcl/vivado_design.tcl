# Vivado's block designs, after UG994, PG021 (AXI DMA), PG247 (SmartConnect), PG085 (stream infrastructure), PG082
# (Zynq-7000) and PG201 (Zynq UltraScale+).  IP is known by its interfaces and parameters.

namespace eval dry {
    variable cells
    array set cells {}
    variable wired
    array set wired {}
    variable nets {}
    variable segments {}
    variable bd {}
    variable known_ip
    # Parameters with their defaults.
    array set known_ip {
        xilinx.com:ip:processing_system7 {
            PCW_USE_M_AXI_GP0 1 PCW_USE_S_AXI_HP0 0 PCW_S_AXI_HP0_DATA_WIDTH 64 PCW_USE_FABRIC_INTERRUPT 0 PCW_IRQ_F2P_INTR 0
            PCW_FPGA0_PERIPHERAL_FREQMHZ 50 PCW_EN_CLK0_PORT 1 PCW_EN_RST0_PORT 1 PCW_CRYSTAL_PERIPHERAL_FREQMHZ 33.333333
        }
        xilinx.com:ip:zynq_ultra_ps_e {
            PSU__USE__M_AXI_GP0 1 PSU__USE__M_AXI_GP1 1 PSU__USE__M_AXI_GP2 0 PSU__USE__S_AXI_GP2 0 PSU__SAXIGP2__DATA_WIDTH 128
            PSU__MAXIGP0__DATA_WIDTH 128 PSU__USE__IRQ0 1 PSU__FPGA_PL0_ENABLE 1 PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ 100
        }
        xilinx.com:ip:axi_dma {
            c_include_sg 1 c_sg_include_stscntrl_strm 0 c_sg_length_width 14 c_m_axi_mm2s_data_width 32
            c_m_axis_mm2s_tdata_width 32 c_m_axi_s2mm_data_width 32 c_s_axis_s2mm_tdata_width 32 c_mm2s_burst_size 16
            c_s2mm_burst_size 16 c_include_mm2s_dre 0 c_include_s2mm_dre 0 c_addr_width 32
        }
        xilinx.com:ip:smartconnect {NUM_SI 1 NUM_MI 1 NUM_CLKS 1}
        xilinx.com:ip:proc_sys_reset {C_EXT_RESET_HIGH 1}
        xilinx.com:ip:axis_dwidth_converter {S_TDATA_NUM_BYTES 1 M_TDATA_NUM_BYTES 1 HAS_TLAST 0 HAS_TKEEP 0}
        xilinx.com:ip:xlconcat {NUM_PORTS 2}
    }
}

# Interfaces (name mode protocol) and pins (name direction) of a cell, as its parameters make them.
proc dry::shape {type config} {
    variable cores
    dict with config {}
    set interfaces {}
    set pins {}
    switch -- $type {
        xilinx.com:ip:processing_system7 {
            lappend interfaces DDR external ddr FIXED_IO external fixed
            lappend pins FCLK_CLK0 out FCLK_RESET0_N out
            if {$PCW_USE_M_AXI_GP0} {
                lappend interfaces M_AXI_GP0 master aximm
                lappend pins M_AXI_GP0_ACLK clock
            }
            if {$PCW_USE_S_AXI_HP0} {
                lappend interfaces S_AXI_HP0 slave aximm
                lappend pins S_AXI_HP0_ACLK clock
            }
            if {$PCW_USE_FABRIC_INTERRUPT && $PCW_IRQ_F2P_INTR} {
                lappend pins IRQ_F2P in
            }
        }
        xilinx.com:ip:zynq_ultra_ps_e {
            lappend pins pl_clk0 out pl_resetn0 out
            foreach {use name clock} {
                0 M_AXI_HPM0_FPD maxihpm0_fpd_aclk 1 M_AXI_HPM1_FPD maxihpm1_fpd_aclk 2 M_AXI_HPM0_LPD maxihpm0_lpd_aclk
            } {
                if {[set PSU__USE__M_AXI_GP$use]} {
                    lappend interfaces $name master aximm
                    lappend pins $clock clock
                }
            }
            if {$PSU__USE__S_AXI_GP2} {
                lappend interfaces S_AXI_HP0_FPD slave aximm
                lappend pins saxihp0_fpd_aclk clock
            }
            if {$PSU__USE__IRQ0} {
                lappend pins pl_ps_irq0 in
            }
        }
        xilinx.com:ip:axi_dma {
            if {$c_include_sg} {
                lappend interfaces M_AXI_SG master aximm
                lappend pins m_axi_sg_aclk clock
            }
            lappend interfaces S_AXI_LITE slave aximm M_AXI_MM2S master aximm M_AXI_S2MM master aximm
            lappend interfaces M_AXIS_MM2S master axis S_AXIS_S2MM slave axis
            lappend pins s_axi_lite_aclk clock m_axi_mm2s_aclk clock m_axi_s2mm_aclk clock axi_resetn reset
            lappend pins mm2s_introut out s2mm_introut out
        }
        xilinx.com:ip:smartconnect {
            for {set index 0} {$index < $NUM_SI} {incr index} {
                lappend interfaces [format S%02d_AXI $index] slave aximm
            }
            for {set index 0} {$index < $NUM_MI} {incr index} {
                lappend interfaces [format M%02d_AXI $index] master aximm
            }
            lappend pins aclk clock aresetn reset
        }
        xilinx.com:ip:proc_sys_reset {
            lappend pins slowest_sync_clk clock ext_reset_in reset peripheral_aresetn out interconnect_aresetn out
        }
        xilinx.com:ip:axis_dwidth_converter {
            lappend interfaces S_AXIS slave axis M_AXIS master axis
            lappend pins aclk clock aresetn reset
        }
        xilinx.com:ip:xlconcat {
            for {set index 0} {$index < $NUM_PORTS} {incr index} {
                lappend pins In$index in
            }
            lappend pins dout out
        }
        default {
            set interfaces [dict get $cores($type) interfaces]
            set pins [dict get $cores($type) pins]
        }
    }
    return [list $interfaces $pins]
}

# The bytes of a stream's beat, and whether it tells which of them are there.
proc dry::beat {cell interface} {
    variable cells
    variable cores
    set type [dict get $cells($cell) type]
    set config [dict get $cells($cell) config]
    switch -- $type {
        xilinx.com:ip:axi_dma {
            set key [expr {$interface eq "M_AXIS_MM2S" ? "c_m_axis_mm2s_tdata_width" : "c_s_axis_s2mm_tdata_width"}]
            return [expr {[dict get $config $key] / 8}]
        }
        xilinx.com:ip:axis_dwidth_converter {
            return [dict get $config [string index $interface 0]_TDATA_NUM_BYTES]
        }
    }
    return [dict get $cores($type) bytes $interface]
}

# ---- block designs

dry::command get_board_parts {-quiet} 0 1 {
    if {[info exists ::env(RNNGEN_DRY_BOARD_PARTS)]} {
        return $::env(RNNGEN_DRY_BOARD_PARTS)
    }
    return {tul.com.tw:pynq-z2:part0:1.0 xilinx.com:zcu104:part0:1.1}
}

dry::command update_ip_catalog {-rebuild} 0 0 {
    need $name create_project ip_repo_paths
    did $name
}

dry::command create_bd_design {} 1 1 {
    variable bd
    need $name create_project update_ip_catalog
    set bd [lindex $words 0]
    did $name
}

dry::command create_bd_cell {-type:ip -vlnv:} 1 1 {
    variable cells
    variable known_ip
    variable cores
    need $name create_bd_design
    set type [join [lrange [split $opt(-vlnv) :] 0 2] :]
    set cell [lindex $words 0]
    if {[info exists cells($cell)]} {
        fail "$name: there is a cell $cell already"
    }
    if {[info exists known_ip($type)]} {
        set config $known_ip($type)
    } elseif {[info exists cores($type)]} {
        set config {}
        set version [dict get $cores($type) version]
        if {[lindex [split $opt(-vlnv) :] 3] ne $version} {
            fail "$name: $type has the version $version, and not that of $opt(-vlnv)"
        }
    } else {
        fail "$name: the catalog has no $type; it has [lsort [concat [array names known_ip] [array names cores]]]"
    }
    set cells($cell) [dict create type $type config $config]
    return cell:$cell
}

dry::command get_bd_cells {} 1 1 {
    variable cells
    set cell [string trimleft [lindex $words 0] /]
    if {![info exists cells($cell)]} {
        fail "$name: there is no cell $cell"
    }
    return cell:$cell
}

proc dry::set_cell {name property value of} {
    variable cells
    if {![regexp {^CONFIG\.(.+)$} $property - key] || ![dict exists $cells($of) config $key]} {
        fail "$name: [dict get $cells($of) type] has no parameter $property here"
    }
    foreach {pin with} [array get ::dry::wired $of/*] {
        if {$with eq "external"} {
            continue
        }
        fail "$name: $of is connected already, so its parameters are too late"
    }
    switch -glob -- $key {
        *_data_width - *_tdata_width {
            check_value $name $key 8|16|32|64|128|256|512|1024 $value
        }
        PCW_S_AXI_HP0_DATA_WIDTH {
            check_value $name $key 32|64 $value
        }
        PSU__SAXIGP2__DATA_WIDTH - PSU__MAXIGP0__DATA_WIDTH {
            check_value $name $key 32|64|128 $value
        }
        c_sg_length_width {
            if {$value < 8 || $value > 26} {
                fail "$name: $key is 8 to 26, not $value"
            }
        }
        *BYTES {
            if {$value < 1 || $value > 512} {
                fail "$name: $key is 1 to 512, not $value"
            }
        }
        *FREQMHZ {
            check_value $name $key # $value
        }
    }
    dict set cells($of) config $key $value
}

dry::command apply_bd_automation {-rule: -config:} 1 1 {
    variable wired
    variable cells
    set cell [string range [lindex $words 0] 5 end]
    switch -- $opt(-rule) {
        xilinx.com:bd_rule:processing_system7 {
            array set wired [list $cell/DDR external $cell/FIXED_IO external]
            set known {make_external apply_board_preset Master Slave}
        }
        xilinx.com:bd_rule:zynq_ultra_ps_e {
            set known {apply_board_preset}
        }
        default {
            fail "$name: no rule is $opt(-rule) here"
        }
    }
    foreach {key -} $opt(-config) {
        if {$key ni $known} {
            fail "$name: $opt(-rule) has no $key"
        }
    }
    did preset
}

proc dry::find {name kind path} {
    variable cells
    set path [string trimleft $path /]
    set cell [file dirname $path]
    set wanted [file tail $path]
    if {![info exists cells($cell)]} {
        fail "$name: there is no cell $cell"
    }
    lassign [shape [dict get $cells($cell) type] [dict get $cells($cell) config]] interfaces pins
    if {$kind eq "interface"} {
        foreach {interface mode protocol} $interfaces {
            if {$interface eq $wanted} {
                return [list $path $mode $protocol]
            }
        }
        fail "$name: $cell has no interface $wanted; it has [lmap {interface - -} $interfaces {set interface}]"
    }
    foreach {pin direction} $pins {
        if {$pin eq $wanted} {
            return [list $path $direction]
        }
    }
    fail "$name: $cell has no pin $wanted; it has [lmap {pin -} $pins {set pin}]"
}

dry::command get_bd_intf_pins {} 1 1 {
    return intf:[lindex [find $name interface [lindex $words 0]] 0]
}

dry::command get_bd_pins {} 1 1 {
    return pin:[lindex [find $name pin [lindex $words 0]] 0]
}

dry::command connect_bd_intf_net {-intf_net:} 2 2 {
    variable wired
    set ends [lmap word $words {
        if {![regexp {^intf:(.*)$} $word - path]} {
            fail "$name: $word is no interface"
        }
        find $name interface $path
    }]
    lassign [lindex $ends 0] first mode protocol
    lassign [lindex $ends 1] second other_mode other_protocol
    if {[lsort [list $mode $other_mode]] ne {master slave}} {
        fail "$name: $first and $second are no master and slave"
    }
    if {$protocol ne $other_protocol} {
        fail "$name: $first is $protocol and $second is $other_protocol"
    }
    foreach path [list $first $second] {
        if {[info exists wired($path)]} {
            fail "$name: $path is connected already"
        }
    }
    if {$protocol eq "axis"} {
        set widths [lmap path [list $first $second] {beat [file dirname $path] [file tail $path]}]
        if {[lindex $widths 0] != [lindex $widths 1]} {
            fail "$name: a beat of $first has [lindex $widths 0] bytes and one of $second [lindex $widths 1]"
        }
    }
    set wired($first) $second
    set wired($second) $first
}

dry::command connect_bd_net {-net:} 2 -1 {
    variable wired
    variable nets
    set drivers {}
    set members {}
    foreach word $words {
        if {![regexp {^pin:(.*)$} $word - path]} {
            fail "$name: $word is no pin"
        }
        lassign [find $name pin $path] path direction
        if {$direction eq "out"} {
            lappend drivers $path
        } elseif {[info exists wired($path)]} {
            fail "$name: $path is connected already"
        } else {
            set wired($path) net
        }
        lappend members $path
    }
    if {[llength $drivers] != 1} {
        fail "$name: a net has one driver, not [llength $drivers]: $drivers"
    }
    lappend nets [lindex $drivers 0] $members
    foreach path $members {
        set wired($path) [lindex $drivers 0]
    }
}

dry::command assign_bd_address {-offset: -range: -target_address_space: -force} 0 1 {
    need $name create_bd_design
    did $name
}

# Everything is connected, and everything that is driven by a clock has the same one.
dry::command validate_bd_design {} 0 0 {
    variable cells
    variable wired
    need $name assign_bd_address preset
    set clocks {}
    foreach cell [lsort [array names cells]] {
        lassign [shape [dict get $cells($cell) type] [dict get $cells($cell) config]] interfaces pins
        foreach {interface mode protocol} $interfaces {
            if {![info exists wired($cell/$interface)]} {
                fail "$name: the interface $cell/$interface is not connected"
            }
        }
        foreach {pin direction} $pins {
            if {$direction in {clock reset in} && ![info exists wired($cell/$pin)]} {
                fail "$name: the pin $cell/$pin is not connected"
            }
            if {$direction eq "clock"} {
                lappend clocks $wired($cell/$pin)
            }
        }
    }
    if {[llength [lsort -unique $clocks]] != 1} {
        fail "$name: there are several clocks: [lsort -unique $clocks]"
    }
    did $name
}

dry::command save_bd_design {} 0 0 {
    variable bd
    variable files
    need $name validate_bd_design
    variable project
    set folder $project/sources_1/bd/$bd
    write_text $folder/$bd.bd "Dry run: no tool wrote this."
    write_text $folder/hw_handoff/$bd.hwh "Dry run: no tool wrote this."
    lappend files $folder/$bd.bd
    did $name
}

dry::command make_wrapper {-files: -top} 0 0 {
    variable bd
    need $name save_bd_design
    if {![regexp {^file:.*\.bd$} $opt(-files)]} {
        fail "$name: $opt(-files) is no block design"
    }
    variable project
    set wrapper $project/sources_1/bd/$bd/hdl/${bd}_wrapper.v
    write_text $wrapper "// stand-in"
    return $wrapper
}

# ---- runs

dry::command get_runs {} 1 1 {
    variable runs
    if {![info exists runs([lindex $words 0])]} {
        fail "$name: there is no run $words"
    }
    return run:[lindex $words 0]
}

proc dry::set_run {name property value of} {
    if {![string match STEPS.*.ARGS.* $property]} {
        fail "$name: a run has no property $property here"
    }
}

dry::command launch_runs {-to_step:write_bitstream|route_design -jobs:#} 1 1 {
    variable runs
    variable top
    variable bd
    need $name save_bd_design
    set run [string map {run: ""} [lindex $words 0]]
    if {$top ne "${bd}_wrapper"} {
        fail "$name: the top is $top and not ${bd}_wrapper"
    }
    if {$run eq "impl_1" && !$runs(synth_1)} {
        fail "$name: impl_1 comes before synth_1"
    }
    did launched_$run
}

dry::command wait_on_run {} 1 1 {
    variable runs
    set run [string map {run: ""} [lindex $words 0]]
    need $name launched_$run
    set runs($run) 1
}

dry::command open_run {} 1 1 {
    variable runs
    if {!$runs([string map {run: ""} [lindex $words 0]])} {
        fail "$name: $words has not run"
    }
    did synth_design
    did route_design
}
