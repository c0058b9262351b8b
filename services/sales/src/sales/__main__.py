from kith.process import main
from sales.service import SERVICE

main(SERVICE)
