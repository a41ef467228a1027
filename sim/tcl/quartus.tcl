# Quartus Prime's quartus_sh, after its Tcl reference (::quartus::project, ::quartus::flow) and settings file reference.

namespace eval dry {
    variable settings {}
    variable located
    array set located {}
    variable global_names {
        FAMILY DEVICE TOP_LEVEL_ENTITY VERILOG_FILE SDC_FILE PROJECT_OUTPUT_DIRECTORY NUM_PARALLEL_PROCESSORS
        VERILOG_INPUT_VERSION INTERNAL_FLASH_UPDATE_MODE OPTIMIZATION_MODE GENERATE_RBF_FILE LAST_QUARTUS_VERSION
        RESERVE_ALL_UNUSED_PINS CYCLONEII_RESERVE_NCEO_AFTER_CONFIGURATION TIMING_ANALYZER_MULTICORNER_ANALYSIS
    }
    variable devices {{Cyclone V} {^5C[A-Z]+[A-Z0-9]+$} {MAX 10} {^10M\d\d[A-Z]{2}[A-Z]\d+[CIA]\d[A-Z]*$}}
    variable standards {
        "3.3-V LVTTL" "3.3-V LVCMOS" "2.5 V" "1.8 V" "1.5 V" "1.2 V" "3.0-V LVTTL" "3.0-V LVCMOS" LVDS
        "3.3 V SCHMITT TRIGGER"
    }
}

proc ::package {verb args} {
    dry::note package $verb {*}$args
    if {$verb ne "require" || [lindex $args 0] ni {::quartus::project ::quartus::flow ::quartus::report ::quartus::sta}} {
        dry::fail "package: this script requires ::quartus::project and ::quartus::flow, not $verb $args"
    }
    dry::did [lindex $args 0]
}

dry::command project_new {-revision: -overwrite} 1 1 {
    need $name ::quartus::project
    did project
    variable project [lindex $words 0]
    write_text $project.qpf "Dry run: no tool wrote this."
}

dry::command set_global_assignment {-name:} 1 1 {
    variable settings
    variable global_names
    need $name project
    refuse_after $name compiled
    set value [lindex $words 0]
    if {![info exists opt(-name)] || $opt(-name) ni $global_names} {
        fail "$name: no such assignment is known here: [array get opt]"
    }
    switch -- $opt(-name) {
        VERILOG_FILE {
            read_source $name $value
        }
        SDC_FILE {
            need_file $name $value
            lappend settings SDC_FILE $value
        }
        INTERNAL_FLASH_UPDATE_MODE {
            if {$value ni {"SINGLE IMAGE WITH ERAM" "SINGLE COMP IMAGE WITH ERAM" "SINGLE IMAGE" "DUAL IMAGES"}} {
                fail "$name: $opt(-name) has no value $value"
            }
        }
    }
    if {$opt(-name) ni {VERILOG_FILE SDC_FILE}} {
        if {[dict exists $settings $opt(-name)]} {
            fail "$name: $opt(-name) is given twice"
        }
        dict set settings $opt(-name) $value
    }
}

dry::command set_location_assignment {-to:} 1 1 {
    variable located
    need $name project
    if {![regexp {^PIN_([A-Z]+\d+)$} $words - site]} {
        fail "$name: a pin is such as PIN_V11, not $words"
    }
    lappend located($opt(-to)) $site
}

dry::command set_instance_assignment {-to: -name:} 1 1 {
    variable standards
    variable standard
    set value [lindex $words 0]
    switch -- $opt(-name) {
        IO_STANDARD {
            if {$value ni $standards} {
                fail "$name: no I/O standard is $value"
            }
            set standard($opt(-to)) $value
        }
        WEAK_PULL_UP_RESISTOR {
            if {$value ni {ON OFF}} {
                fail "$name: $opt(-name) is ON or OFF, not $value"
            }
        }
        CURRENT_STRENGTH_NEW {
            if {![regexp {^(\d+MA|MAXIMUM CURRENT|MINIMUM CURRENT)$} $value]} {
                fail "$name: no current is $value"
            }
        }
        default {
            fail "$name: no such assignment is known here: $opt(-name)"
        }
    }
}

dry::command export_assignments {} 0 0 {
    need $name project
    did exported
}

dry::command execute_module {-tool:map|fit|asm|sta -args:} 0 0 {
    need $name ::quartus::flow exported
    compile $name $opt(-tool)
}

dry::command execute_flow {-compile} 0 0 {
    need $name ::quartus::flow exported
    foreach tool {map fit asm sta} {
        compile $name $tool
    }
}

proc dry::compile {name tool} {
    variable settings
    variable located
    variable standard
    variable devices
    variable project
    if {$tool eq "map"} {
        foreach wanted {FAMILY DEVICE TOP_LEVEL_ENTITY} {
            if {![dict exists $settings $wanted]} {
                fail "$name: $wanted is not assigned"
            }
        }
        if {![dict exists $devices [dict get $settings FAMILY]]} {
            fail "$name: the family [dict get $settings FAMILY] is none of [dict keys $devices]"
        }
        if {![regexp [dict get $devices [dict get $settings FAMILY]] [dict get $settings DEVICE]]} {
            fail "$name: [dict get $settings DEVICE] is no [dict get $settings FAMILY]"
        }
        # MAX 10 takes contents of memories from its flash in two of its modes only (UG-M10CONFIG).
        if {[dict get $settings FAMILY] eq "MAX 10" && ![string match *ERAM [dict getdef_ $settings INTERNAL_FLASH_UPDATE_MODE]]} {
            fail "$name: INTERNAL_FLASH_UPDATE_MODE has no ERAM, so memories cannot have contents"
        }
        elaborate $name [dict get $settings TOP_LEVEL_ENTITY]
        foreach {bit sites} [array get located] {
            foreach site $sites {
                place $name $bit $site
            }
            if {![info exists standard($bit)]} {
                fail "$name: $bit has no IO_STANDARD"
            }
        }
        check_placed $name
        if {![dict exists $settings SDC_FILE]} {
            fail "$name: SDC_FILE is not assigned"
        }
        namespace eval :: [list source [dict get $settings SDC_FILE]]
        need $name clocked derived uncertain
    } else {
        need $name [dict get {fit map asm fit sta fit} $tool]
    }
    did $tool
    set folder [expr {[dict exists $settings PROJECT_OUTPUT_DIRECTORY] ? [dict get $settings PROJECT_OUTPUT_DIRECTORY] : "."}]
    foreach ending [dict get {map {map.summary} fit {fit.rpt fit.summary} asm {sof} sta {sta.rpt sta.summary}} $tool] {
        write_text [file join $folder $project.$ending] "Dry run: no tool wrote this."
    }
}

# dict getdef of Tcl 9, with "" as what is not there.
namespace ensemble configure dict -map [dict merge [namespace ensemble configure dict -map] {getdef_ ::dry::getdef}]
proc dry::getdef {dictionary key} {
    return [expr {[dict exists $dictionary $key] ? [dict get $dictionary $key] : ""}]
}

# SDC commands, sourced when the timing netlist would be made.
dry::command get_ports {} 1 1 {
    foreach port [lindex $words 0] {
        check_port $name $port
    }
    return [lindex $words 0]
}

dry::command create_clock {-name: -period:#} 1 1 {
    check_period $name $opt(-period)
    did clocked
}

dry::command derive_pll_clocks {-create_base_clocks} 0 0 {
    did derived
}

dry::command derive_clock_uncertainty {} 0 0 {
    did uncertain
}

dry::command set_false_path {-from: -to:} 0 0 {}

dry::command project_close {} 0 0 {
    need $name project
    did closed
}

proc dry::finish {} {
    need "the end" map fit asm sta closed
}
